import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { FastifyBaseLogger } from 'fastify'
import type { ApiAssignment, FromWorker, ToWorker } from './messages.ts'

export interface WorkerPool {
  readonly url: string
  readonly pids: readonly number[]
  stop(): Promise<void>
  cut(): Promise<void>
}

const FIRST_BACKOFF = 200
const LAST_BACKOFF = 10_000
const STEADY_MS = 30_000

/** Worker processes that share one port. Those that die are replaced. */
class Pool implements WorkerPool {
  url = ''
  readonly #workers = new Set<Worker>()
  readonly #assignment: ApiAssignment
  readonly #log: FastifyBaseLogger
  #isStopping = false
  #backoff = FIRST_BACKOFF

  constructor(assignment: ApiAssignment, log: FastifyBaseLogger) {
    this.#assignment = assignment
    this.#log = log
  }

  get pids(): readonly number[] {
    return [...this.#workers].flatMap(({ process: { pid } }) => pid ?? [])
  }

  /** Starts one worker; settles when it listens. */
  start(): Promise<void> {
    const worker = cluster.fork()
    this.#workers.add(worker)
    const began = Date.now()
    return new Promise((resolve, reject) => {
      let isListening = false
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'waiting') {
          this.#tell(worker, { type: 'start', assignment: this.#assignment })
        } else if (message.type === 'listening') {
          isListening = true
          this.url = message.url
          resolve()
        } else reject(new Error(message.message))
      })
      worker.once('exit', (code, signal) => {
        this.#workers.delete(worker)
        reject(new Error(`a worker ended while it started (${signal ?? code})`))
        if (!isListening || this.#isStopping) return
        const { pid } = worker.process
        this.#log.error({ pid, code, signal }, 'a worker ended by itself; starting another')
        if (Date.now() - began > STEADY_MS) this.#backoff = FIRST_BACKOFF
        this.#replace()
      })
    })
  }

  #replace(): void {
    setTimeout(() => {
      if (this.#isStopping) return
      this.start().catch((err: unknown) => {
        this.#log.error({ err }, 'a worker could not be started')
        this.#replace()
      })
    }, this.#backoff)
    this.#backoff = Math.min(this.#backoff * 2, LAST_BACKOFF)
  }

  #tell(worker: Worker, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message)
  }

  async #end(type: 'stop' | 'cut'): Promise<void> {
    this.#isStopping = true
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
  }

  async stop(): Promise<void> {
    const { drainSeconds } = this.#assignment.config
    // a worker that hangs must not hold up the end for ever
    const giveUp = setTimeout(() => this.kill(), drainSeconds * 1000 + 10_000)
    await this.#end('stop')
    clearTimeout(giveUp)
  }

  async cut(): Promise<void> {
    const giveUp = setTimeout(() => this.kill(), 5000)
    await this.#end('cut')
    clearTimeout(giveUp)
  }

  kill(): void {
    this.#isStopping = true
    for (const { process: child } of this.#workers) child.kill('SIGKILL')
  }
}

/** Starts `config.workers` API processes and waits until all of them listen. */
export async function openWorkers(
  assignment: ApiAssignment,
  log: FastifyBaseLogger
): Promise<WorkerPool> {
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('./worker.js', import.meta.url)),
    args: [],
    execArgv: []
  })
  const pool = new Pool(assignment, log)
  try {
    // the first one alone, so that a fault is told once, and port 0 is chosen once
    await pool.start()
    await Promise.all(Array.from({ length: assignment.config.workers - 1 }, () => pool.start()))
  } catch (error) {
    pool.kill()
    throw error
  }
  return pool
}
