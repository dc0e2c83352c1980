import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { FastifyBaseLogger } from 'fastify'
import { closeLostConnections } from './lost-connections.ts'
import type { ApiAssignment, FromWorker, ToWorker } from './messages.ts'

export interface WorkerPool {
  readonly url: string
  readonly pids: readonly number[]
  /** Gives the processes their work; settles when all of them listen. */
  start(assignment: ApiAssignment): Promise<void>
  stop(): Promise<void>
  cut(): Promise<void>
  /** Ends the processes without a word. */
  kill(): void
}

/** A running upload may hold two threads of the pool, one of them in a flush. */
const WORKER_ENVIRONMENT = {
  UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '8'
}
const FIRST_BACKOFF = 200
const LAST_BACKOFF = 10_000
const STEADY_MS = 30_000

/** A process that has loaded its code, or is about to, and waits for its assignment. */
interface Recruit {
  readonly worker: Worker
  readonly isWaiting: Promise<void>
}

function recruit(log: FastifyBaseLogger): Recruit {
  const worker = cluster.fork(WORKER_ENVIRONMENT)
  closeLostConnections(worker)
  // a message to a worker that has just died; its exit tells the rest
  worker.on('error', (err) => log.debug({ err }, 'a worker could not be reached'))
  const isWaiting = new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('exit', (code, signal) =>
      reject(new Error(`a worker ended while it started (${signal ?? code})`))
    )
  })
  isWaiting.catch(() => {})
  return { worker, isWaiting }
}

/** Worker processes that share one port. Those that die are replaced. */
class Pool implements WorkerPool {
  url = ''
  readonly #workers = new Set<Worker>()
  readonly #recruits: Recruit[]
  readonly #log: FastifyBaseLogger
  #assignment: ApiAssignment | undefined
  #isStopping = false
  #backoff = FIRST_BACKOFF

  constructor(size: number, log: FastifyBaseLogger) {
    this.#log = log
    this.#recruits = Array.from({ length: size }, () => recruit(log))
    for (const { worker } of this.#recruits) this.#workers.add(worker)
  }

  get pids(): readonly number[] {
    return [...this.#workers].flatMap(({ process: { pid } }) => pid ?? [])
  }

  async start(assignment: ApiAssignment): Promise<void> {
    this.#assignment = assignment
    const [first, ...others] = this.#recruits.splice(0)
    // the first one alone, so that a fault is told once
    if (first !== undefined) await this.#employ(first, assignment)
    await Promise.all(others.map((each) => this.#employ(each, assignment)))
  }

  async #employ({ worker, isWaiting }: Recruit, assignment: ApiAssignment): Promise<void> {
    await isWaiting
    const began = Date.now()
    await new Promise<void>((resolve, reject) => {
      let isListening = false
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'listening') {
          isListening = true
          this.url = message.url
          resolve()
        } else if (message.type === 'failed') reject(new Error(message.message))
      })
      worker.once('exit', (code, signal) => {
        this.#workers.delete(worker)
        reject(new Error(`a worker ended while it started (${signal ?? code})`))
        if (!isListening || this.#isStopping) return
        const { pid } = worker.process
        this.#log.error({ worker: pid, code, signal }, 'a worker ended by itself')
        if (Date.now() - began > STEADY_MS) this.#backoff = FIRST_BACKOFF
        this.#replace()
      })
      this.#tell(worker, { type: 'start', assignment })
    })
  }

  #replace(): void {
    setTimeout(async () => {
      if (this.#isStopping || this.#assignment === undefined) return
      const next = recruit(this.#log)
      this.#workers.add(next.worker)
      try {
        await this.#employ(next, this.#assignment)
        this.#log.info({ worker: next.worker.process.pid }, 'another worker took its place')
      } catch (err) {
        this.#workers.delete(next.worker)
        this.#log.error({ err }, 'a worker could not be started')
        this.#replace()
      }
    }, this.#backoff)
    this.#backoff = Math.min(this.#backoff * 2, LAST_BACKOFF)
  }

  #tell(worker: Worker, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message)
  }

  async #end(type: 'stop' | 'cut', patienceMs: number): Promise<void> {
    this.#isStopping = true
    // a worker that hangs must not hold up the end for ever
    const giveUp = setTimeout(() => this.kill(), patienceMs)
    await Promise.all(
      [...this.#workers].map(
        (worker) =>
          new Promise<void>((resolve) => {
            worker.once('exit', () => resolve())
            if (worker.isDead()) resolve()
            this.#tell(worker, { type })
          })
      )
    )
    clearTimeout(giveUp)
  }

  async stop(): Promise<void> {
    const drainSeconds = this.#assignment?.config.drainSeconds ?? 0
    await this.#end('stop', drainSeconds * 1000 + 10_000)
  }

  async cut(): Promise<void> {
    await this.#end('cut', 5000)
  }

  kill(): void {
    this.#isStopping = true
    for (const { process: child } of this.#workers) child.kill('SIGKILL')
  }
}

/** Starts processes at once, so that they load their code while the rest is being prepared. */
export function recruitWorkers(size: number, log: FastifyBaseLogger): WorkerPool {
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('./worker.js', import.meta.url)),
    args: [],
    // Their heaps are small and their buffers lie outside, where V8 counts them against the heap:
    // it would mark the whole heap some twenty times in each GiB of an upload. Without helper threads,
    // with marking at one go and a small young generation, whose collection is enough to let go of
    // buffers, an upload to S3 takes a fifth less CPU, and the process 30 MiB less memory (measured).
    execArgv: ['--single-threaded-gc', '--no-incremental-marking', '--max-semi-space-size=2']
  })
  return new Pool(size, log)
}
