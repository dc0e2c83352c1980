import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createRegistryClient, type RegistryClient } from '@tank/client'
import { announcedRegistry } from '../announced-registry.ts'
import { UsageError } from '../command-line.ts'
import type { ServeConfig } from '../config.ts'
import { INSTANCE } from '../data-dir.ts'
import type { Part } from '../shutdown.ts'

export interface ReachOptions {
  readonly config: ServeConfig
  readonly dataDir: string
  readonly env: NodeJS.ProcessEnv
  readonly add: (part: Part) => void
  /** Whether a data directory in which no Tank ever was may get a database. */
  readonly mayCreate: boolean
}

async function connect(
  urls: readonly string[],
  secret: string,
  add: (part: Part) => void
): Promise<RegistryClient | undefined> {
  const client = createRegistryClient({ urls, secret })
  try {
    await client.ready()
  } catch {
    await client.close()
    return undefined
  }
  add({ stop: () => client.close() })
  return client
}

/** The registry that the configuration names; half a name would lead to another registry. */
function namedRegistry({ urls, secret }: { urls?: readonly string[]; secret?: string } = {}) {
  if (urls !== undefined && secret !== undefined) return { urls, secret }
  if (urls === undefined && secret === undefined) return undefined
  const [has, lacks] =
    urls === undefined
      ? ['secret', 'api.registry.urls (TANK_REGISTRY_URL)']
      : ['address', 'api.registry.secret (TANK_REGISTRY_SECRET)']
  throw new UsageError(
    `The configuration has the ${has} of a registry, but not ${lacks}. Give both, or neither.`
  )
}

function checkDataDir({ config, dataDir, mayCreate }: ReachOptions): void {
  const isKnown = config.registry.databaseUrl !== undefined || existsSync(join(dataDir, INSTANCE))
  if (isKnown || mayCreate) return
  throw new Error(
    `there is no Tank in ${dataDir}. Say where it is: --data-dir, or TANK_REGISTRY_URL and ` +
      'TANK_REGISTRY_SECRET for a registry that runs elsewhere.'
  )
}

/**
 * The registry for an administrative command: the one that the configuration names, else that of the
 * `tank serve` which runs on the data directory, else one started for the while.
 */
export async function reachRegistry(options: ReachOptions): Promise<RegistryClient> {
  const { config, dataDir, add } = options
  const named = namedRegistry(config.api.registry)
  if (named !== undefined) {
    const client = await connect(named.urls, named.secret, add)
    if (client !== undefined) return client
    throw new Error(`no registry answers at ${named.urls.join(', ')}`)
  }
  const announced = await announcedRegistry(dataDir)
  if (announced !== undefined) {
    const client = await connect([announced.url], announced.secret, add)
    if (client !== undefined) return client
  }
  checkDataDir(options)
  // all that a registry needs is loaded by those alone who start one
  const { openRegistry } = await import('./open-registry.ts')
  return await openRegistry(options)
}
