// Made once with openssl and worth nothing: a key on the curve secp384r1 that signs images, and
// certificates for it, one valid until 2120 and one that expired in 2020.

export const signingKey = `-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAl6JP6+B0gK9RVhFIO
HMwazzctG0+FjIv7GkCOmQOnvXf+i34AambSLTc8xEfTUJmhZANiAARkdANrKSaj
aexEvdYd7i1PKteGkKI+lL6TnxgiRg5v7btK6gcA3ulUm+TklM1Cepg+63Anmu3T
DzuDAC9IbqS1oInjO7/Uki3YuGvnU5gZFHziZEGz/LNuzuZ5qnmvQRk=
-----END PRIVATE KEY-----
`

export const signingCertificate = `-----BEGIN CERTIFICATE-----
MIIBSDCBzwIBAjAKBggqhkjOPQQDAjARMQ8wDQYDVQQDDAZzaWduZXIwIBcNMjAw
MTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBExDzANBgNVBAMMBnNpZ25lcjB2
MBAGByqGSM49AgEGBSuBBAAiA2IABGR0A2spJqNp7ES91h3uLU8q14aQoj6UvpOf
GCJGDm/tu0rqBwDe6VSb5OSUzUJ6mD7rcCea7dMPO4MAL0hupLWgieM7v9SSLdi4
a+dTmBkUfOJkQbP8s27O5nmqea9BGTAKBggqhkjOPQQDAgNoADBlAjEAxxC9H4GS
tTQoJIwcImNZHulkviu41j5a/1gxU9NxYQKpnSgWHj+8dQmkdxM1jwlMAjBzmRXb
5z0sSq1kVO8H80HWwCtg0hpnUVvUiIgMjdcQevxwOmVkErxssSkEiVQXRdk=
-----END CERTIFICATE-----
`

export const expiredCertificate = `-----BEGIN CERTIFICATE-----
MIIBRjCBzQIBATAKBggqhkjOPQQDAjARMQ8wDQYDVQQDDAZzaWduZXIwHhcNMjAw
MTAxMDAwMDAwWhcNMjAwMjAxMDAwMDAwWjARMQ8wDQYDVQQDDAZzaWduZXIwdjAQ
BgcqhkjOPQIBBgUrgQQAIgNiAARkdANrKSajaexEvdYd7i1PKteGkKI+lL6Tnxgi
Rg5v7btK6gcA3ulUm+TklM1Cepg+63Anmu3TDzuDAC9IbqS1oInjO7/Uki3YuGvn
U5gZFHziZEGz/LNuzuZ5qnmvQRkwCgYIKoZIzj0EAwIDaAAwZQIwAjDhhKkrppLX
HVQTsqo8mn2nrqN2M2kQuiXpJz6JOa+M2Xz0QYl9wTwzcCxjbQPHAjEAxMtv3AuI
Skd738gEMArpcaIqc9COpyyInvyw0K63s7n371N7LPHXd97fDwd48jZH
-----END CERTIFICATE-----
`
