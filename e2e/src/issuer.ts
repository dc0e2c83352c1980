import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Test } from 'tap'

/** An OpenID Connect issuer, as little of it as Tank needs: discovery, one key, tokens. */
export interface Issuer {
  readonly url: string
  /** A token for the audience `tank` that lives for an hour. */
  sign(claims: object): string
}

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

export async function openIssuer(t: Test): Promise<Issuer> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256' }
  const server = createServer((request, response) => {
    const isKeys = request.url === '/keys'
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify(isKeys ? { keys: [key] } : { issuer: url, jwks_uri: `${url}/keys` })
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const url = `http://127.0.0.1:${port}`
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url,
    sign(claims) {
      const exp = Math.floor(Date.now() / 1000) + 3600
      const body = base64({ iss: url, aud: 'tank', exp, ...claims })
      const input = `${base64({ alg: 'RS256', kid: 'one' })}.${body}`
      return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
    }
  }
}
