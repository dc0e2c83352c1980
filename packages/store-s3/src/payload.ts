import { createHash, type Hash } from 'node:crypto'

/** A command of the SDK, as far as it matters here. */
interface Signable {
  readonly middlewareStack: {
    add(
      middleware: (next: (args: never) => Promise<never>) => (args: never) => Promise<never>,
      options: { readonly step: 'build'; readonly name: string }
    ): void
  }
}

/**
 * Puts the digest of the body into the signature. The SDK would compute it over the whole body in
 * one go, again for each attempt, while everything else stands still.
 */
export function signWith(command: unknown, sha256: string | undefined): void {
  const { middlewareStack } = command as Signable
  middlewareStack.add(
    (next) => (args) => {
      const { request } = args as { request: { headers: Record<string, string> } }
      request.headers['x-amz-content-sha256'] = sha256 ?? 'UNSIGNED-PAYLOAD'
      return next(args)
    },
    { step: 'build', name: 'tankPayload' }
  )
}

/** A digest of the bytes as they come, when the payload is to be signed. */
export function payloadHash(signPayload: boolean): Hash | undefined {
  return signPayload ? createHash('sha256') : undefined
}
