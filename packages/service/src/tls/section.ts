import { type Static, Type } from 'typebox'

const file = (description: string) => Type.String({ description, minLength: 1 })

const pair = {
  certificateFile: file(
    'PEM file: the certificate of this server, then those between it and the root.'
  ),
  keyFile: file('PEM file: the private key, without a passphrase.'),
  minimumVersion: Type.Union([Type.Literal('TLSv1.2'), Type.Literal('TLSv1.3')], {
    default: 'TLSv1.2',
    description: 'Oldest version of TLS that clients may speak.'
  })
}
const closed = { additionalProperties: false }

/** Section `tls` of a server whose clients prove themselves by what they send. */
export const tlsSection = Type.Object(pair, closed)

/** Section `tls` of a server that may ask its clients for certificates, too. */
export const mutualTlsSection = Type.Object(
  {
    ...pair,
    clientCaFile: Type.Optional(
      file('PEM file of authorities: only clients with a certificate of one of them are served.')
    )
  },
  closed
)

/** Where a server's certificate lies. Paths are relative to the working directory. */
export type TlsConfig = Static<typeof mutualTlsSection>
