import { randomUUID } from 'node:crypto'
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT
} from 'jose'
import type { Test } from 'tap'
import { FakeServer } from './fake-server.ts'
import type { Clock } from './who-app.ts'

interface Key {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  readonly jwk: JWK
}

export async function makeKey(alg: string, kid: string = randomUUID()): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } }
}

/** An imitation of an OpenID Connect issuer: discovery, keys, tokens. */
export class FakeIssuer {
  readonly server: FakeServer
  readonly #clock: Clock
  /** What is published; the first one signs. */
  keys: Key[]
  /** Put over the discovery document. */
  discovery: object = {}
  /** In place of the key set. */
  published: object | undefined

  private constructor(server: FakeServer, clock: Clock, keys: Key[]) {
    this.server = server
    this.#clock = clock
    this.keys = keys
  }

  static async open(t: Test, clock: Clock): Promise<FakeIssuer> {
    const server = await FakeServer.open(t, (request, response) => {
      const documents: Record<string, object> = {
        '/.well-known/openid-configuration': {
          issuer: server.url,
          jwks_uri: `${server.url}/keys`,
          ...issuer.discovery
        },
        '/keys': issuer.published ?? { keys: issuer.keys.map(({ jwk }) => jwk) }
      }
      const document = documents[request.url ?? '']
      response.writeHead(document === undefined ? 404 : 200, {
        'content-type': 'application/json'
      })
      response.end(JSON.stringify(document ?? {}))
    })
    const issuer: FakeIssuer = new FakeIssuer(server, clock, [await makeKey('ES256')])
    return issuer
  }

  get url(): string {
    return this.server.url
  }

  get key(): Key {
    const [key] = this.keys
    if (key === undefined) throw new Error('no key')
    return key
  }

  /** Claims that are accepted, with changes; undefined takes one away. */
  claims(changes: Record<string, unknown> = {}): JWTPayload {
    const now = Math.floor(this.#clock.ms / 1000)
    const claims = {
      iss: this.url,
      aud: 'tank',
      sub: 'ann',
      iat: now,
      exp: now + 3600,
      project_id: 'P1',
      domain_id: 'D1',
      roles: ['member'],
      ...changes
    }
    return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
  }

  /** A token; `kid: undefined` names no key. */
  async sign(
    changes: Record<string, unknown> = {},
    key: Key = this.key,
    header: { readonly kid?: string | undefined } = { kid: key.kid }
  ): Promise<string> {
    return await new SignJWT(this.claims(changes))
      .setProtectedHeader({
        alg: key.alg,
        ...(header.kid === undefined ? {} : { kid: header.kid })
      })
      .sign(key.privateKey)
  }

  /** A token with a shared secret: the public key, as everyone can read it. */
  async signWithPublicKey(): Promise<string> {
    const secret = new TextEncoder().encode(await exportSPKI(this.key.publicKey))
    return await new SignJWT(this.claims())
      .setProtectedHeader({ alg: 'HS256', kid: this.key.kid })
      .sign(secret)
  }

  /** A token without a signature. */
  unsigned(): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    return `${part({ alg: 'none', kid: this.key.kid })}.${part(this.claims())}.`
  }
}
