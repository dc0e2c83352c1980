import { apiConfigSchema, buildApi } from '@tank/api'
import { createRegistryClient } from '@tank/client'
import { openServerTls, type RunningServer, runServer } from '@tank/service'
import { openLog } from '../log.ts'
import { pick } from '../pick.ts'
import { storeLoader } from '../stores.ts'
import type { ApiAssignment } from './messages.ts'

/** Builds the API as it was assigned and listens. */
export async function runApi(assignment: ApiAssignment): Promise<RunningServer> {
  const { config, configFolder, logLevel, workerPrefix } = assignment
  const log = openLog(logLevel, 'tank-api')
  const registry = createRegistryClient({
    urls: config.registry.urls,
    secret: config.registry.secret
  })
  const app = await buildApi(pick(apiConfigSchema, config), {
    registry,
    loadStore: storeLoader(configFolder),
    logger: log,
    tls: config.tls && openServerTls(config.tls, { log }),
    worker: `${workerPrefix}/${process.pid}`
  })
  const server = await runServer(app, {
    listen: { host: config.host, port: config.port },
    drainMs: config.drainSeconds * 1000,
    log
  })
  // last of all: what was cut is still to be told to the registry
  const close = () => registry.close()
  return {
    url: server.url,
    stop: () => server.stop().finally(close),
    cut: () => server.cut().finally(close)
  }
}
