import { createHash } from 'node:crypto'
import { MessageChannel, Worker } from 'node:worker_threads'
import { blockSize } from './block-sizes.ts'
import type { DigestMessage, DigestReply, Hop } from './digest-messages.ts'

export type Digests = Readonly<Record<string, string>>

/** The digests of one upload while its bytes pass by. */
export interface DigestRun {
  /** Takes a chunk; false: pause until `onDrain` is called. */
  feed(chunk: Uint8Array): boolean
  onDrain: (() => void) | undefined
  /** Lower-case hexadecimal digests by algorithm, once all bytes are hashed. */
  end(): Promise<Digests>
  /** Ends without a result. */
  drop(): void
}

export interface DigestPool {
  open(algorithms: readonly string[]): DigestRun
  close(): Promise<void>
}

const WORKERS = 2
const IN_FLIGHT = 4
const RECYCLED = 8
/** Bodies up to this size are hashed without a trip to a worker. */
const INLINE_BYTES = 256 << 10
/** CPU seconds a GiB, for an even share of the work. */
const COST: Readonly<Record<string, number>> = {
  md5: 1.4,
  sha512: 1.4,
  sha384: 1.4,
  sha256: 0.6,
  sha1: 0.5
}

class Workers implements DigestPool {
  #workers: Worker[] = []
  readonly #runs = new Map<number, Run>()
  readonly #load = new Array<number>(WORKERS).fill(0)
  readonly #free: ArrayBuffer[] = []
  #lastId = 0

  open(algorithms: readonly string[]): DigestRun {
    const run = new Run(this, ++this.#lastId, algorithms)
    this.#runs.set(run.id, run)
    return run
  }

  get openRuns(): number {
    return this.#runs.size
  }

  /** Shares the algorithms out to the workers with the least to do. */
  route(algorithms: readonly string[]): Hop[] {
    const hops = new Map<number, string[]>()
    const byCost = [...algorithms].sort((a, b) => (COST[b] ?? 1) - (COST[a] ?? 1))
    for (const name of byCost) {
      const worker = this.#load.indexOf(Math.min(...this.#load))
      this.#load[worker] = (this.#load[worker] ?? 0) + (COST[name] ?? 1)
      hops.set(worker, [...(hops.get(worker) ?? []), name])
    }
    return [...hops].map(([worker, names]) => ({ worker, algorithms: names }))
  }

  post(message: DigestMessage, transfer: ArrayBuffer[]): void {
    if (this.#workers.length === 0) this.#start()
    // Idle workers do not keep the process alive, busy ones do.
    else for (const worker of this.#workers) worker.ref()
    this.#workers[message.hops[0]?.worker ?? 0]?.postMessage(message, transfer)
  }

  block(size: number): ArrayBuffer {
    const last = this.#free.at(-1)
    if (last === undefined || last.byteLength < size) return new ArrayBuffer(size)
    this.#free.pop()
    return last
  }

  recycle(block: ArrayBuffer): void {
    if (block.byteLength === blockSize(1) && this.#free.length < RECYCLED) this.#free.push(block)
  }

  forget(run: Run, hops: readonly Hop[]): void {
    if (!this.#runs.delete(run.id)) return
    for (const hop of hops) {
      for (const name of hop.algorithms) {
        this.#load[hop.worker] = (this.#load[hop.worker] ?? 0) - (COST[name] ?? 1)
      }
    }
    if (this.#runs.size > 0) return
    this.#load.fill(0)
    for (const worker of this.#workers) worker.unref()
  }

  async close(): Promise<void> {
    const workers = this.#workers
    this.#fail(new Error('the digest workers were closed'))
    await Promise.all(workers.map((worker) => worker.terminate()))
  }

  #start(): void {
    const script = new URL('./digest-worker.js', import.meta.url)
    const { port1, port2 } = new MessageChannel()
    this.#workers = [port1, port2].map((port, index) => {
      const worker = new Worker(script, {
        workerData: { index },
        name: `tank-digest-${index}`,
        execArgv: []
      })
      worker.on('message', (reply: DigestReply) => this.#receive(reply))
      worker.on('error', (error) => this.#broken(worker, error))
      worker.on('exit', () => this.#broken(worker, new Error('a digest worker ended')))
      worker.postMessage({ kind: 'neighbour', port }, [port])
      return worker
    })
  }

  #receive(reply: DigestReply): void {
    if (reply.kind === 'ready') return
    const run = this.#runs.get(reply.id)
    if (reply.kind === 'block') {
      this.recycle(reply.block)
      run?.blockDone()
    } else run?.done(reply.digests)
  }

  #broken(worker: Worker, error: Error): void {
    if (!this.#workers.includes(worker)) return
    for (const other of this.#workers) if (other !== worker) void other.terminate()
    this.#fail(error)
  }

  #fail(error: Error): void {
    this.#workers = []
    for (const run of [...this.#runs.values()]) run.fail(error)
  }
}

class Run implements DigestRun {
  readonly id: number
  onDrain: (() => void) | undefined
  readonly #pool: Workers
  readonly #algorithms: readonly string[]
  #hops: readonly Hop[] = []
  #block: ArrayBuffer | undefined
  #view = new Uint8Array(0)
  #used = 0
  #inFlight = 0
  #result: { resolve(digests: Digests): void; reject(error: Error): void } | undefined
  #error: Error | undefined

  constructor(pool: Workers, id: number, algorithms: readonly string[]) {
    this.#pool = pool
    this.id = id
    this.#algorithms = algorithms
  }

  feed(chunk: Uint8Array): boolean {
    if (this.#error !== undefined) return true // `end` reports it
    let offset = 0
    while (offset < chunk.length) {
      const room = this.#room()
      const part = chunk.subarray(offset, offset + room)
      this.#view.set(part, this.#used)
      this.#used += part.length
      offset += part.length
      if (this.#used === this.#view.length) this.#send()
    }
    return this.#inFlight < IN_FLIGHT
  }

  async end(): Promise<Digests> {
    if (this.#error !== undefined) throw this.#error
    if (this.#hops.length === 0 && this.#used <= INLINE_BYTES) return this.#inline()
    if (this.#used > 0) this.#send()
    const result = new Promise<Digests>((resolve, reject) => {
      this.#result = { resolve, reject }
    })
    this.#pool.post({ kind: 'end', id: this.id, hops: this.#hops, digests: {} }, [])
    return result
  }

  drop(): void {
    const failed = this.#error !== undefined
    this.fail(new Error('the digests are not wanted any more'))
    if (this.#hops.length > 0 && !failed)
      this.#pool.post({ kind: 'drop', id: this.id, hops: this.#hops }, [])
  }

  blockDone(): void {
    this.#inFlight--
    if (this.#inFlight === IN_FLIGHT - 1) this.onDrain?.()
  }

  done(digests: Digests): void {
    this.#pool.forget(this, this.#hops)
    this.#result?.resolve(digests)
  }

  fail(error: Error): void {
    this.#error ??= error
    this.#block = undefined
    this.#pool.forget(this, this.#hops)
    this.#result?.reject(error)
    this.onDrain?.()
  }

  #room(): number {
    if (this.#block === undefined) {
      this.#block = this.#pool.block(blockSize(this.#pool.openRuns))
      this.#view = new Uint8Array(this.#block)
      this.#used = 0
    }
    return this.#view.length - this.#used
  }

  #send(): void {
    const block = this.#block
    if (block === undefined) return
    if (this.#hops.length === 0) this.#hops = this.#pool.route(this.#algorithms)
    this.#pool.post({ kind: 'block', id: this.id, hops: this.#hops, block, length: this.#used }, [
      block
    ])
    this.#block = undefined
    this.#used = 0
    this.#inFlight++
  }

  #inline(): Digests {
    const bytes = this.#view.subarray(0, this.#used)
    const digests: Record<string, string> = {}
    for (const name of this.#algorithms)
      digests[name] = createHash(name).update(bytes).digest('hex')
    if (this.#block !== undefined) this.#pool.recycle(this.#block)
    this.#block = undefined
    this.#pool.forget(this, [])
    return digests
  }
}

/**
 * Two worker threads that hash the bodies of all uploads of this process. They start with the first
 * body that is too large to be hashed at once.
 */
export function createDigestPool(): DigestPool {
  return new Workers()
}
