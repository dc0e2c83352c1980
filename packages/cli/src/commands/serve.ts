import { join } from 'node:path'
import { checkIdentity } from '@tank/api/config'
import { createRegistryClient } from '@tank/client'
import type { FastifyBaseLogger } from 'fastify'
import { announceRegistry, type RegistryAddress } from '../announced-registry.ts'
import { checkPort } from '../check-port.ts'
import { type CommandCall, FLAGS } from '../command-line.ts'
import { readConfig, type ServeConfig } from '../config.ts'
import { type DataDir, openDataDir } from '../data-dir.ts'
import { startRegistry } from '../local-registry.ts'
import { openLog } from '../log.ts'
import { refuseOpenService } from '../loopback.ts'
import { configFile, configFolder, dataDirectory, listenOverrides } from '../places.ts'
import { liveUntilSignal, type Part } from '../shutdown.ts'
import { configuredStores, type StoresConfig } from '../stores.ts'
import { welcome } from '../welcome.ts'
import { recruitWorkers } from '../workers/pool.ts'
import { openDatabase } from './database.ts'

interface Start {
  readonly call: CommandCall
  readonly config: ServeConfig
  readonly folder: string
  readonly log: FastifyBaseLogger
  readonly add: (part: Part) => void
}

/** Ends at once what an earlier process of this data directory left running. */
async function releaseOwn(
  { url, secret }: RegistryAddress,
  dataDir: DataDir,
  log: FastifyBaseLogger
): Promise<void> {
  const client = createRegistryClient({ urls: [url], secret })
  try {
    const released = await client.release(`${dataDir.instance}/`)
    if (released > 0) log.warn({ released }, 'ended operations that an earlier run left behind')
  } finally {
    await client.close()
  }
}

function describeStores(stores: StoresConfig): string {
  return Object.entries(stores)
    .map(([name, { use, root }]) => (typeof root === 'string' ? root : `${name} (${use})`))
    .join(', ')
}

const IDENTITY: Readonly<Record<string, string>> = {
  none: 'none: everyone who reaches this address is an administrator',
  headers: 'headers of a trusted front',
  tokens: 'tokens that tank token create makes',
  jwt: 'tokens of an OpenID Connect issuer',
  keystone: 'tokens of Keystone'
}

/** The cache, if there is to be one, lies in the data directory unless it was put elsewhere. */
function cacheFolder({ cache }: ServeConfig['api'], dataDir: string) {
  return cache === undefined
    ? {}
    : { cache: { ...cache, dir: cache.dir || join(dataDir, 'cache') } }
}

/** What leads `tank token` to this service. */
function tokenFlags(call: CommandCall): string {
  const file = configFile(call)
  const config = file === undefined ? '' : `--config '${file}' `
  return `${config}--data-dir '${dataDirectory(call)}'`
}

async function start(context: Start): Promise<void> {
  const { call, config, log, add } = context
  const dataDir = await openDataDir(dataDirectory(call))
  add({ stop: () => dataDir.release() })
  const { api } = config
  await checkPort(api.host, api.port)
  const pool = recruitWorkers(api.workers, log)
  add({ stop: async () => pool.kill() })
  const { databaseUrl } = config.registry
  const database = await openDatabase(
    databaseUrl,
    { dataDir: dataDir.path, log, env: call.env },
    add
  )
  const registry = await startRegistry(context, database)
  add(await announceRegistry(dataDir.path, registry))
  await releaseOwn(registry, dataDir, log)
  const stores = configuredStores(api, dataDir.path)
  await pool.start({
    config: {
      ...api,
      stores,
      ...cacheFolder(api, dataDir.path),
      registry: { urls: [registry.url], secret: registry.secret }
    },
    configFolder: context.folder,
    logLevel: config.log.level,
    workerPrefix: dataDir.instance
  })
  add(pool)
  call.print(
    welcome({
      url: pool.url,
      dataDir: dataDir.path,
      images: describeStores(stores),
      database: database.description,
      identity: IDENTITY[api.identity.mode] ?? api.identity.mode,
      tokenFlags: api.identity.mode === 'tokens' ? tokenFlags(call) : undefined,
      workers: api.workers,
      notes: database.notes
    })
  )
  log.info({ url: pool.url, workers: api.workers, pids: pool.pids }, 'ready')
}

export const serve = {
  details:
    'The database is a PostgreSQL of its own in the data directory, unless TANK_DATABASE_URL or the\n' +
    'configuration names one. Stops in order on Ctrl-C or SIGTERM; a second one hurries.',
  flags: {
    host: FLAGS.host,
    port: FLAGS.port,
    'data-dir': FLAGS['data-dir'],
    config: FLAGS.config,
    workers: FLAGS.workers,
    'log-level': FLAGS['log-level']
  },
  async run(call: CommandCall): Promise<number> {
    const file = configFile(call)
    const config = readConfig('serve', {
      file,
      env: call.env,
      overrides: listenOverrides(call, 'api')
    })
    refuseOpenService(config.api)
    checkIdentity(config.api.identity)
    const log = openLog(config.log.level, 'tank')
    const { drainSeconds } = config.api
    await liveUntilSignal((add) => start({ call, config, folder: configFolder(file), log, add }), {
      onStop: () =>
        call.print(`\nStopping; running transfers have ${drainSeconds} s. Ctrl-C cuts them.\n`),
      onHurry: () => call.print('Cutting what still runs.\n')
    })
    log.info('stopped')
    return 0
  }
}
