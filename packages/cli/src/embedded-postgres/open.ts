import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import { openRunDir, type RunDir } from '../run-dir.ts'
import { DATABASE, initialise, ROLE } from './initialise.ts'
import { findPlaces, isInitialised } from './places.ts'
import {
  type Postmaster,
  type PostmasterOptions,
  startPostmaster,
  stopLeftOver
} from './postmaster.ts'

export interface EmbeddedPostgresOptions {
  /** The folder whose `postgres/` holds the database. */
  readonly dataDir: string
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>
  readonly env?: NodeJS.ProcessEnv
  /** False gives up safety against power cuts for speed; for tests. */
  readonly durable?: boolean
}

export interface EmbeddedPostgres {
  readonly url: string
  /** PGDATA. */
  readonly data: string
  readonly version: string
  /** Sentences about what a newcomer would not expect, such as another place of the data. */
  readonly notes: readonly string[]
  readonly runDir: RunDir
  /** Also removes the run directory. */
  stop(): Promise<void>
  /** Ends at once, without the usual shutdown. */
  kill(): Promise<void>
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Keeps one server running until it is told to stop. */
class Supervisor {
  #server: Postmaster
  #isStopping = false
  readonly #options: PostmasterOptions
  readonly #log: EmbeddedPostgresOptions['log']

  private constructor(
    server: Postmaster,
    options: PostmasterOptions,
    log: EmbeddedPostgresOptions['log']
  ) {
    this.#server = server
    this.#options = options
    this.#log = log
  }

  static async open(
    options: PostmasterOptions,
    log: EmbeddedPostgresOptions['log']
  ): Promise<Supervisor> {
    const supervisor = new Supervisor(await startPostmaster(options), options, log)
    supervisor.#watch()
    return supervisor
  }

  #watch(): void {
    void this.#server.ended.then(() => (this.#isStopping ? undefined : this.#restart()))
  }

  async #restart(): Promise<void> {
    this.#log.error('PostgreSQL ended by itself; starting it again')
    for (let wait = 200; !this.#isStopping; wait = Math.min(wait * 2, 10_000)) {
      await sleep(wait)
      if (this.#isStopping) return
      try {
        this.#server = await startPostmaster(this.#options)
        this.#log.info({ pid: this.#server.pid }, 'PostgreSQL runs again')
        if (this.#isStopping) await this.#server.stop()
        else this.#watch()
        return
      } catch (err) {
        this.#log.error({ err }, 'PostgreSQL could not be started again')
      }
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#server.stop()
  }

  async kill(): Promise<void> {
    this.#isStopping = true
    await this.#server.kill()
  }
}

/**
 * Opens a real PostgreSQL of our own, reachable through a Unix socket only: made at the first call,
 * found again at later ones. Only one process at a time may open a data directory.
 */
export async function openEmbeddedPostgres(
  options: EmbeddedPostgresOptions
): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir)
  const durable = options.durable ?? true
  await mkdir(dataDir, { recursive: true, mode: 0o755 })
  const places = await findPlaces(dataDir)
  const runDir = await openRunDir({
    dataDir,
    postgres: places.account,
    env: options.env ?? process.env
  })
  if (isInitialised(places.data)) {
    const pid = await stopLeftOver(places.data)
    if (pid !== undefined) options.log.warn({ pid }, 'stopped a PostgreSQL that was left over')
  } else {
    options.log.info({ data: places.data }, 'making the database')
    await initialise(places, durable)
  }
  const supervisor = await Supervisor.open(
    {
      places,
      durable,
      socketFolder: runDir.postgres,
      logFile: join(dataDir, 'postgres.log')
    },
    options.log
  )
  return {
    url: `postgres://${ROLE}@localhost/${DATABASE}?host=${encodeURIComponent(runDir.postgres)}`,
    data: places.data,
    // the package counts 18.4 as 18.4.0
    version: places.binaries.version.split('.').slice(0, 2).join('.'),
    notes: places.notes,
    runDir,
    stop: async () => {
      await supervisor.stop()
      await runDir.remove()
    },
    kill: async () => {
      await supervisor.kill()
      await runDir.remove()
    }
  }
}
