import { createRegistryClient, type RegistryClient } from '@tank/client'
import { openDatabase } from '../commands/database.ts'
import { openDataDir } from '../data-dir.ts'
import { startRegistry } from '../local-registry.ts'
import { openLog } from '../log.ts'
import type { ReachOptions } from './reach-registry.ts'

/** Starts a registry on the data directory, for as long as a command runs. */
export async function openRegistry(options: ReachOptions): Promise<RegistryClient> {
  const { config, dataDir, env, add } = options
  const folder = await openDataDir(dataDir, 0)
  add({ stop: () => folder.release() })
  const log = openLog(config.log.level, 'tank')
  const { databaseUrl } = config.registry
  const database = await openDatabase(databaseUrl, { dataDir: folder.path, log, env }, add)
  const { url, secret } = await startRegistry({ config, log, add }, database)
  const client = createRegistryClient({ urls: [url], secret })
  add({ stop: () => client.close() })
  return client
}
