/** One worker on the way of a block, with what it computes. */
export interface Hop {
  readonly worker: number
  readonly algorithms: readonly string[]
}

/** What travels to the digest workers; everything about one upload takes the same way, in order. */
export type DigestMessage =
  | {
      readonly kind: 'block'
      readonly id: number
      readonly hops: readonly Hop[]
      readonly block: ArrayBuffer
      readonly length: number
    }
  | {
      readonly kind: 'end'
      readonly id: number
      readonly hops: readonly Hop[]
      readonly digests: Readonly<Record<string, string>>
    }
  | { readonly kind: 'drop'; readonly id: number; readonly hops: readonly Hop[] }

export type DigestReply =
  | { readonly kind: 'ready'; readonly index: number }
  | { readonly kind: 'block'; readonly id: number; readonly block: ArrayBuffer }
  | {
      readonly kind: 'end'
      readonly id: number
      readonly digests: Readonly<Record<string, string>>
    }
