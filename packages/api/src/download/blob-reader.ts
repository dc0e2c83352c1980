import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Placement, type ShownBlob, TankError } from '@tank/model'
import { type ByteRange, type ImageSource, isStoreError, type Stores } from '@tank/store'
import type { FastifyBaseLogger } from 'fastify'
import { Forward } from './forward.ts'
import { openWithin } from './open-within.ts'
import type { StoreCircuits } from './store-circuits.ts'

/** What every reading of image data in this process shares. */
export interface ReadContext {
  readonly stores: Stores
  readonly circuits: StoreCircuits
  /** Longest time that a store may keep silent. */
  readonly storeMs: number
}

/** Bytes that lie in stores, each placement with all of them. */
export interface StoredData {
  /** Of the image that they belong to. */
  readonly id: string
  /** null: there are none */
  readonly blob: Omit<ShownBlob, 'id' | 'completed_at'> | null
  readonly placements: readonly Placement[]
}

export interface ReadRequest {
  readonly data: StoredData
  readonly range: ByteRange | undefined
  /** Stores to try before the others (B10). */
  readonly prefer: readonly string[]
  readonly signal: AbortSignal
  readonly log: FastifyBaseLogger
}

interface Opened {
  readonly source: ImageSource
  readonly placement: Placement
}

/** Preferred stores first, then by weight; the registry's order (the oldest first) decides ties. */
export function inOrder(
  stores: Stores,
  placements: readonly Placement[],
  prefer: readonly string[]
): Placement[] {
  const rank = (placement: Placement): number => {
    const at = prefer.indexOf(placement.store)
    return at === -1 ? prefer.length : at
  }
  const weight = (placement: Placement): number => stores.entry(placement.store)?.weight ?? 0
  return [...placements].sort((a, b) => rank(a) - rank(b) || weight(b) - weight(a))
}

/**
 * The bytes of an image, from the first placement that gives them. When one breaks in the middle
 * another one goes on, if both are copies that were made and verified here: an outside location may
 * hold other bytes by now.
 */
export class BlobReader {
  readonly #context: ReadContext
  readonly #request: ReadRequest
  readonly #size: number
  #left: Placement[]
  #opened: Opened | undefined

  constructor(context: ReadContext, request: ReadRequest) {
    const { blob, placements } = request.data
    if (blob === null) throw new TankError('DATA_UNAVAILABLE', 'The image has no data')
    this.#context = context
    this.#request = request
    this.#size = blob.size
    this.#left = inOrder(context.stores, placements, request.prefer)
  }

  /** Settles when a store has agreed to send. Throws DATA_UNAVAILABLE when none does. */
  async open(): Promise<void> {
    this.#opened = await this.#openFrom(0)
  }

  /**
   * Writes everything to `to` and does not end it. `pump`: `to` is done with a block when it calls
   * back, as sockets are. After a rejection `to` may hold a part: the caller destroys it.
   */
  async send(to: Writable, signal: AbortSignal, { pump }: { pump: boolean }): Promise<void> {
    let sent = 0
    for (let turn = this.#opened; ; turn = await this.#openFrom(sent)) {
      if (turn === undefined) throw new TankError('INTERNAL', 'the data was not opened')
      const direct = turn.source.pump
      if (pump && direct !== undefined && !this.#mayGoOn(turn.placement)) {
        return direct.call(turn.source, to, { signal })
      }
      const part = await this.#forward(turn, to, sent, signal, pump)
      sent += part.count
      if (part.error === undefined) return
      if (signal.aborted || to.destroyed || sent === this.#length) throw part.error
      this.#note(turn.placement, part.error)
      if (!this.#mayGoOn(turn.placement)) throw part.error
      this.#request.log.warn({ sent, store: turn.placement.store }, 'another store goes on')
    }
  }

  get #length(): number {
    return this.#request.range?.length ?? this.#size
  }

  #mayGoOn({ role }: Placement): boolean {
    if (role !== 'data' || this.#request.data.blob?.sha256 === null) return false
    this.#left = this.#left.filter(
      (placement) => placement.role === 'data' && this.#canPart(placement)
    )
    return this.#left.length > 0
  }

  #canPart({ store }: Placement): boolean {
    return this.#context.stores.get(store)?.features.ranges === true
  }

  async #forward(
    { source }: Opened,
    to: Writable,
    sent: number,
    signal: AbortSignal,
    pump: boolean
  ): Promise<{ readonly count: number; readonly error?: unknown }> {
    const idle = new AbortController()
    const either = AbortSignal.any([signal, idle.signal])
    const stopped = new Promise<never>((_resolve, reject) => {
      either.addEventListener('abort', () => reject(either.reason), { once: true })
    })
    stopped.catch(() => {})
    const sink = new Forward(to, {
      expected: this.#length - sent,
      idleMs: this.#context.storeMs,
      onIdle: (error) => idle.abort(error)
    })
    sink.on('error', () => {})
    try {
      const run =
        pump && source.pump !== undefined
          ? source.pump(sink, { signal: either }).then(() => ended(sink))
          : pipeline(source.body, sink, { signal: either })
      // a store that does not heed its signal is left behind
      run.catch(() => {})
      await Promise.race([run, stopped])
      return { count: sink.count }
    } catch (error) {
      sink.destroy()
      return { count: sink.count, error: idle.signal.aborted ? idle.signal.reason : error }
    }
  }

  async #openFrom(sent: number): Promise<Opened> {
    const later: Placement[] = []
    let last: unknown
    for (let next = this.#left.shift(); next !== undefined; next = this.#left.shift()) {
      if (!this.#context.circuits.allows(next.store)) {
        later.push(next)
        continue
      }
      const opened = await this.#try(next, sent)
      if ('source' in opened) {
        this.#left.push(...later)
        return opened
      }
      last = opened.error
    }
    // better a store that was away a moment ago than none
    for (let next = later.shift(); next !== undefined; next = later.shift()) {
      const opened = await this.#try(next, sent)
      if ('source' in opened) {
        this.#left.push(...later)
        return opened
      }
      last = opened.error
    }
    throw new TankError('DATA_UNAVAILABLE', 'The image data cannot be read now; try again later', {
      cause: last
    })
  }

  async #try(placement: Placement, sent: number): Promise<Opened | { readonly error: unknown }> {
    const { stores, circuits, storeMs } = this.#context
    const { data, signal, log } = this.#request
    const store = stores.get(placement.store)
    const about = { imageId: data.id, store: placement.store, placement: placement.id }
    if (store === undefined) {
      log.warn(about, 'the image lies in a store that is not configured')
      return { error: undefined }
    }
    try {
      const range = this.#rangeFrom(sent)
      const source = await openWithin(store, placement.key, { range, signal, deadlineMs: storeMs })
      circuits.worked(placement.store)
      if (source.size === undefined || source.size === this.#size) return { source, placement }
      source.body.destroy()
      log.error({ ...about, size: source.size }, 'the data has the wrong size')
      return { error: undefined }
    } catch (error) {
      if (signal.aborted) throw error
      this.#note(placement, error)
      return { error }
    }
  }

  #rangeFrom(sent: number): ByteRange | undefined {
    const { range } = this.#request
    if (sent === 0) return range
    return { offset: (range?.offset ?? 0) + sent, length: this.#length - sent }
  }

  #note({ store, id }: Placement, err: unknown): void {
    const about = { imageId: this.#request.data.id, store, placement: id, err }
    if (isStoreError(err, 'UNAVAILABLE')) this.#context.circuits.failed(store)
    if (isStoreError(err, 'NOT_FOUND')) {
      this.#request.log.error(about, 'data of an active image is gone')
    } else this.#request.log.warn(about, 'a store could not send the image')
  }
}

function ended(sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.once('error', reject)
    sink.end(resolve)
  })
}
