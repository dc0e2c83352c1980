import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { buildRegistry, type RegistryConfig, registryConfigSchema } from '@tank/registry'
import { runServer } from '@tank/service'
import type { FastifyBaseLogger } from 'fastify'
import type { RegistryAddress } from './announced-registry.ts'
import type { Database } from './commands/database.ts'
import type { ServeConfig } from './config.ts'
import { openLog } from './log.ts'
import { pick } from './pick.ts'
import type { Part } from './shutdown.ts'

export interface LocalRegistryOptions {
  readonly config: Pick<ServeConfig, 'registry' | 'log'>
  readonly log: FastifyBaseLogger
  readonly add: (part: Part) => void
}

/** The registry of all-in-one: on a Unix socket, with a secret that lives as long as the process. */
export async function startRegistry(
  { config, log, add }: LocalRegistryOptions,
  database: Database
): Promise<RegistryAddress> {
  const secret = randomBytes(32).toString('base64url')
  const settings: RegistryConfig = {
    ...pick(registryConfigSchema, config.registry),
    databaseUrl: database.url,
    secret
  }
  const app = await buildRegistry(settings, {
    logger: openLog(config.log.level, 'tank-registry')
  })
  const server = await runServer(app, {
    listen: { path: join(database.runDir.own, 'registry.sock') },
    drainMs: 5000,
    log
  })
  add(server)
  return { url: server.url, secret }
}
