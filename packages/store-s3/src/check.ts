import { randomUUID } from 'node:crypto'
import { isStoreError } from '@tank/store'
import type { Bucket } from './bucket.ts'
import type { CallOptions } from './calls.ts'
import type { Chores } from './chores.ts'

const PROBE_MS = 5 * 60_000

export interface CheckContext {
  readonly bucket: Bucket
  readonly chores: Chores
  readonly exclusive: boolean
  readonly warn: (message: string) => void
}

/**
 * Says whether the bucket can be worked with. Readiness is asked for every few seconds, and writing
 * costs money: so a write is tried once, and again every five minutes.
 */
export class Checker {
  readonly #context: CheckContext
  #probed = Number.NEGATIVE_INFINITY
  #warned = false

  constructor(context: CheckContext) {
    this.#context = context
  }

  async check(options: CallOptions): Promise<void> {
    await this.#context.bucket.reach(options)
    if (performance.now() - this.#probed < PROBE_MS) return
    await this.#probe(options)
    this.#probed = performance.now()
  }

  async #probe(options: CallOptions): Promise<void> {
    const { bucket, chores, exclusive } = this.#context
    // Not a key: neither `list` nor anybody else takes it for an image.
    const name = `.probe-${randomUUID()}`
    const payload = { bytes: Buffer.from('tank'), sha256: undefined }
    try {
      await bucket.put(name, 'probe', payload, options)
      if (exclusive) await this.#probeTwice(name, options)
    } catch (error) {
      await chores.run((signal) => bucket.delete(name, { signal }))
      throw error
    }
    await bucket.delete(name, options)
  }

  async #probeTwice(name: string, options: CallOptions): Promise<void> {
    const payload = { bytes: Buffer.from('again'), sha256: undefined }
    try {
      await this.#context.bucket.put(name, 'probe', payload, options)
    } catch (error) {
      if (isStoreError(error, 'EXISTS')) return
      throw error
    }
    if (this.#warned) return
    this.#warned = true
    this.#context.warn(
      'the server ignores If-None-Match, so a key can be written twice: set exclusive: false'
    )
  }
}
