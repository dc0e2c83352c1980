import { EventEmitter, once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { StorePlugin } from '@tank/api'
import { type GetOptions, type Store, StoreError } from '@tank/store'

/** What a fake store does wrong. */
export interface Faults {
  /** `get` and `stat` never settle, whatever their signal says. */
  hangs?: boolean
  /** `get` and `put` reject with this code. */
  fails?: 'UNAVAILABLE' | 'FULL' | 'NOT_FOUND'
  /** Bodies break after so many bytes; with `silently` they just stop coming. */
  breaksAfter?: number
  silently?: boolean
  /** Bodies have another byte in the middle. */
  corrupts?: boolean
  /** `stat` does not know sizes, nor does `get`. */
  hidesSize?: boolean
  /** `delete` rejects. */
  keeps?: boolean
  /** `put` waits for this before it ends. */
  putWaits?: Promise<unknown>
  /** Milliseconds after each chunk of a body. */
  slow?: number
}

const CHUNK = 16 * 1024

/** Bytes in memory behind the store contract, with faults to order. */
export class FakeStore {
  readonly bytes = new Map<string, Buffer>()
  readonly events = new EventEmitter()
  faults: Faults = {}
  gets = 0
  puts = 0
  deletes = 0
  /** Bodies that were opened and not ended yet. */
  open = 0

  /** Settles when the next put has begun. */
  putBegun(): Promise<unknown> {
    return once(this.events, 'put')
  }

  /** The plugin that adds it. `web`: a read-only one of outside locations, whose keys are URLs. */
  plugin(kind: 'writable' | 'web' = 'writable'): StorePlugin {
    return async (app, { as, weight, description }) => {
      app.stores.add(as, kind === 'web' ? this.#web() : this.#writable(), { weight, description })
    }
  }

  #read(key: string, options: GetOptions): Readable {
    const { breaksAfter, silently, corrupts, slow } = this.faults
    const whole = Buffer.from(this.#find(key))
    if (corrupts) whole[whole.length >> 1] = (whole[whole.length >> 1] ?? 0) ^ 1
    const { offset, length } = options.range ?? { offset: 0, length: whole.length }
    const part = whole.subarray(offset, offset + length)
    let at = 0
    this.open++
    return new Readable({
      read() {
        const most = Math.min(part.length, breaksAfter ?? Number.POSITIVE_INFINITY)
        if (at < most) {
          const chunk = part.subarray(at, Math.min(at + CHUNK, most))
          at += chunk.length
          setTimeout(() => this.push(chunk), slow ?? 0)
        } else if (at === part.length) this.push(null)
        else if (!silently) this.destroy(new StoreError('UNAVAILABLE', 'broken on order'))
      },
      destroy: (error, done) => {
        this.open--
        done(error)
      }
    })
  }

  #find(key: string): Buffer {
    const found = this.bytes.get(key)
    if (found === undefined) throw new StoreError('NOT_FOUND', 'nothing at the key')
    return found
  }

  async #ask(): Promise<void> {
    const { hangs, fails } = this.faults
    if (hangs) await new Promise(() => {})
    if (fails !== undefined) throw new StoreError(fails, 'failed on order')
  }

  #reading(type: string): Store {
    return {
      type,
      features: { ranges: true, unknownSize: true, exclusive: false },
      stat: async (key) => {
        await this.#ask()
        return { size: this.faults.hidesSize ? undefined : this.#find(key).length }
      },
      get: async (key, options = {}) => {
        this.gets++
        await this.#ask()
        const size = this.faults.hidesSize ? undefined : this.#find(key).length
        return { size, body: this.#read(key, options) }
      }
    }
  }

  #web(): Store {
    const accepts = (url: URL) => url.protocol === 'http:' && url.hostname === 'outside.test'
    return { ...this.#reading('web'), accepts }
  }

  #writable(): Store {
    return {
      ...this.#reading('fake'),
      put: async (key, body, { signal } = {}) => {
        this.puts++
        this.events.emit('put')
        if (this.faults.fails !== undefined) throw new StoreError(this.faults.fails, 'on order')
        const bytes = await buffer(body)
        if (this.faults.putWaits !== undefined) {
          const aborted = signal === undefined ? new Promise(() => {}) : once(signal, 'abort')
          await Promise.race([this.faults.putWaits, aborted])
          signal?.throwIfAborted()
        }
        this.bytes.set(key, bytes)
        return { size: bytes.length }
      },
      delete: async (key) => {
        this.deletes++
        if (this.faults.keeps) throw new StoreError('UNAVAILABLE', 'kept on order')
        this.bytes.delete(key)
      }
    }
  }
}
