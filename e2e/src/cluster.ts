import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freshDatabase } from './database.ts'
import { Images } from './images.ts'
import { startTank, type Tank, tempFolder } from './tank.ts'

/** Short leases, so that a test sees them run out. */
export const leases = { leaseSeconds: 3, heartbeatSeconds: 1, sweepSeconds: 0.5 }
/** Two lease periods, one more after a registry started anew, and some air for a busy machine. */
export const patience = leases.leaseSeconds * 1000 * 3 + 15_000

export interface Alone {
  tank: Tank
  readonly images: Images
  readonly store: string
  /** Starts it again on the same port and data. */
  restart(): Promise<void>
}

/** `tank serve`: everything in one command. */
export async function startAlone(t: Test, api: object = {}, registry: object = {}): Promise<Alone> {
  const folder = await tempFolder(t)
  const data = join(folder, 'data')
  const config = {
    api: { collectSeconds: 0.5, ...api },
    registry: { ...leases, garbageGraceSeconds: 6, ...registry }
  }
  const start = (port?: number) =>
    startTank(t, {
      command: 'serve',
      config,
      args: ['--data-dir', data],
      folder,
      mark: folder,
      ...(port === undefined ? {} : { port })
    })
  const tank = await start()
  const alone: Alone = {
    tank,
    images: new Images(tank.url),
    store: join(data, 'images'),
    async restart() {
      alone.tank = await start(Number(new URL(tank.url).port))
    }
  }
  return alone
}

export interface Cluster {
  readonly registries: Tank[]
  readonly apis: Tank[]
  readonly images: Images[]
  readonly store: string
  restartRegistry(index: number): Promise<void>
  restartApi(index: number): Promise<void>
}

export interface ClusterOptions {
  readonly registries?: number
  readonly apis?: number
  readonly api?: object
  readonly registry?: object
  /** Folder of the store, in place of a temporary one. */
  readonly store?: string
}

/** Separate processes over one database and one store folder. */
export async function startCluster(t: Test, options: ClusterOptions = {}): Promise<Cluster> {
  const folder = await tempFolder(t)
  const store = options.store ?? join(folder, 'images')
  const secret = randomBytes(24).toString('hex')
  // a server of another kind than the one that Tank brings, where there is one
  const database = await freshDatabase(process.env.TANK_TEST_POSTGRES_URL)
  const databaseUrl = database.url
  t.teardown(database.drop)
  const startRegistry = (port?: number) =>
    startTank(t, {
      command: 'registry',
      config: {
        registry: { databaseUrl, secret, ...leases, garbageGraceSeconds: 6, ...options.registry }
      },
      folder,
      ...(port === undefined ? {} : { port })
    })
  const registries: Tank[] = []
  for (let n = 0; n < (options.registries ?? 1); n++) registries.push(await startRegistry())
  const urls = registries.map((registry) => registry.url)
  const startApi = (port?: number) =>
    startTank(t, {
      command: 'api',
      config: {
        api: {
          registry: { urls, secret },
          collectSeconds: 0.5,
          stores: { main: { use: '@tank/store-fs', root: store } },
          ...options.api
        }
      },
      folder,
      ...(port === undefined ? {} : { port })
    })
  const apis: Tank[] = []
  for (let n = 0; n < (options.apis ?? 2); n++) apis.push(await startApi())
  const portOf = (tank: Tank | undefined) => Number(new URL(tank?.url ?? '').port)
  return {
    registries,
    apis,
    images: apis.map((api) => new Images(api.url)),
    store,
    async restartRegistry(index) {
      registries[index] = await startRegistry(portOf(registries[index]))
    },
    async restartApi(index) {
      apis[index] = await startApi(portOf(apis[index]))
    }
  }
}
