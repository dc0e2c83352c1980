import type { FastifyBaseLogger } from 'fastify'
import { CompiledQuery, Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { isConflict, toRegistryError } from './errors.ts'
import { PollingAdapter } from './migration-lock.ts'

const INT8 = 20
/** Prepared statements live as long as their connection, so their number is bounded. */
const MAX_NAMES = 64
const MAX_TRIES = 4

/** A database or a transaction in it. */
export type Executor = Kysely<unknown>

export interface DatabaseOptions {
  readonly url: string
  readonly poolSize: number
  readonly statementTimeoutMs: number
  readonly log: Pick<FastifyBaseLogger, 'warn'>
}

export interface Database {
  /**
   * Runs one statement as it is and returns rows as arrays. A named one is planned once a
   * connection: for texts that do not vary with what a user asks for.
   */
  query(text: string, values: readonly unknown[], named?: boolean): Promise<unknown[][]>
  /** Runs in one transaction, again when it lost against another one. */
  transaction<T>(run: (trx: Executor) => Promise<T>): Promise<T>
  close(): Promise<void>
}

function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 out of range: ${text}`)
  return value
}

function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  if (oid === INT8 && format !== 'binary') return parseInt8
  return format === 'binary' ? pg.types.getTypeParser(oid, format) : pg.types.getTypeParser(oid)
}

/** Opens a pool with the settings of all Tank code: own int8 parser, timeouts, no crash on loss. */
export function openPool(options: DatabaseOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: options.statementTimeoutMs,
    // the server ends the statement first; this is for a server that is silent
    query_timeout: options.statementTimeoutMs + 5000,
    idle_in_transaction_session_timeout: 60_000,
    application_name: 'tank-registry',
    types: { getTypeParser: getTypeParser as typeof pg.types.getTypeParser }
  })
  const warn = (err: Error) => options.log.warn({ err }, 'database connection lost')
  pool.on('error', warn)
  // a connection that is lost while it is checked out, but idle, has no other listener
  pool.on('connect', (client) => client.on('error', warn))
  return pool
}

function withRegistryErrors(pool: pg.Pool) {
  const clients = new WeakMap<pg.PoolClient, PostgresPoolClient>()
  const wrap = (client: pg.PoolClient): PostgresPoolClient => {
    const known = clients.get(client)
    if (known !== undefined) return known
    let isUsable = true
    const wrapped = {
      query: async (text: string, parameters: readonly unknown[]) => {
        try {
          return await client.query(text, [...parameters])
        } catch (error) {
          // no SQLSTATE: the server has not answered, and may still be at work on it
          isUsable = isUsable && (error as { code?: unknown }).code !== undefined
          throw toRegistryError(error)
        }
      },
      release: () => client.release(!isUsable)
      // no cursors: nothing here streams rows
    } as unknown as PostgresPoolClient
    clients.set(client, wrapped)
    return wrapped
  }
  return {
    connect: async () => {
      try {
        return wrap(await pool.connect())
      } catch (error) {
        throw toRegistryError(error)
      }
    },
    end: () => pool.end()
  }
}

class Dialect extends PostgresDialect {
  override createAdapter(): PollingAdapter {
    return new PollingAdapter()
  }
}

export function createKysely(pool: pg.Pool): Kysely<unknown> {
  return new Kysely<unknown>({ dialect: new Dialect({ pool: withRegistryErrors(pool) }) })
}

/** Opens the database; nothing connects before the first query. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = openPool(options)
  const kysely = createKysely(pool)
  const names = new Map<string, string>()

  function nameOf(text: string): string | undefined {
    const known = names.get(text)
    if (known !== undefined || names.size >= MAX_NAMES) return known
    const name = `tank_${names.size}`
    names.set(text, name)
    return name
  }

  return {
    async query(text, values, named = false) {
      const name = named ? nameOf(text) : undefined
      try {
        const result = await pool.query<unknown[]>({
          ...(name === undefined ? {} : { name }),
          text,
          values: [...values],
          rowMode: 'array'
        })
        return result.rows
      } catch (error) {
        throw toRegistryError(error)
      }
    },
    async transaction(run) {
      for (let tries = 1; ; tries++) {
        try {
          return await kysely.transaction().execute(run)
        } catch (error) {
          if (tries === MAX_TRIES || !isConflict(error)) throw error
        }
      }
    },
    // ends the pool also when kysely never used it
    close: async () => {
      await pool.end()
    }
  }
}

/** Runs a statement with numbered parameters inside a transaction. */
export async function run<Row>(
  trx: Executor,
  text: string,
  values: readonly unknown[]
): Promise<Row[]> {
  const { rows } = await trx.executeQuery<Row>(CompiledQuery.raw(text, [...values]))
  return rows
}
