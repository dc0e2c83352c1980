import { createServer, health, problems, requestIds, type ServerTls } from '@tank/service'
import type { FastifyBaseLogger, FastifyInstance, FastifyServerOptions } from 'fastify'
import { type RegistryConfig, toSettings } from './config.ts'
import { openDatabase } from './db/database.ts'
import { migrate } from './db/migrate.ts'
import { auth } from './http/auth.ts'
import { installBodies } from './http/body.ts'
import { caller } from './http/caller.ts'
import { installOpenApi } from './http/openapi.ts'
import { installValidation } from './http/validation.ts'
import { activateImageRoute } from './routes/activate-image.ts'
import { backgroundRoutes } from './routes/background.ts'
import { beginOperationRoute } from './routes/begin-operation.ts'
import { changesRoute } from './routes/changes.ts'
import { createImageRoute } from './routes/create-image.ts'
import { deleteImageRoute } from './routes/delete-image.ts'
import { garbageRoutes } from './routes/garbage.ts'
import { imageStoreRoutes } from './routes/image-stores.ts'
import { listImagesRoute } from './routes/list-images.ts'
import { memberRoutes } from './routes/members.ts'
import { membershipRoutes } from './routes/memberships.ts'
import { metadefDefinitionRoutes } from './routes/metadef-definitions.ts'
import { metadefRoutes } from './routes/metadefs.ts'
import { operationRoutes } from './routes/operations.ts'
import { pendingDeleteRoutes } from './routes/pending-delete.ts'
import { placementRoutes } from './routes/placements.ts'
import { recordRoutes } from './routes/records.ts'
import type { RouteOptions, RoutePlugin } from './routes/route.ts'
import { runOperationRoutes } from './routes/run-operation.ts'
import { showImageRoute } from './routes/show-image.ts'
import { taskRoutes } from './routes/tasks.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { updateImageRoute } from './routes/update-image.ts'
import { usageRoute } from './routes/usage.ts'
import { createSweeper } from './sweeper.ts'

export interface RegistryParts {
  readonly logger?: FastifyServerOptions['logger'] | FastifyBaseLogger
  /** Undefined: plain HTTP. */
  readonly tls?: ServerTls | undefined
}

/** 128 properties of the longest values, every character escaped, are less than this. */
const BODY_LIMIT = 64 * 1024 * 1024
/** The API's own limit on a query, with room for what it adds. */
const MAX_QUERY_LENGTH = 8192

const ROUTES: readonly RoutePlugin[] = [
  createImageRoute,
  listImagesRoute,
  showImageRoute,
  updateImageRoute,
  deleteImageRoute,
  activateImageRoute,
  imageStoreRoutes,
  recordRoutes,
  memberRoutes,
  membershipRoutes,
  beginOperationRoute,
  runOperationRoutes,
  backgroundRoutes,
  operationRoutes,
  taskRoutes,
  garbageRoutes,
  pendingDeleteRoutes,
  placementRoutes,
  usageRoute,
  changesRoute,
  tokenRoutes,
  metadefRoutes,
  metadefDefinitionRoutes
]

async function installRoutes(
  app: FastifyInstance,
  options: RouteOptions,
  secret: string
): Promise<void> {
  await app.register(
    async (v1) => {
      await v1.register(auth, { secret })
      await v1.register(caller)
      installBodies(v1)
      installValidation(v1)
      for (const route of ROUTES) await v1.register(route, options)
    },
    { prefix: '/v1' }
  )
}

/**
 * Makes a registry over a PostgreSQL database: a Fastify app with the Registry API and the sweeper
 * of expired leases. It listens nowhere; `close` ends the sweeper and the connections.
 */
export async function buildRegistry(
  config: RegistryConfig,
  parts: RegistryParts = {}
): Promise<FastifyInstance> {
  const settings = toSettings(config)
  if (settings.migrate) await migrate(settings.databaseUrl)
  const app = createServer({
    // the API, its only client, has a line with the same request id
    accessLogLevel: 'debug',
    logger: parts.logger ?? false,
    tls: parts.tls,
    bodyLimit: BODY_LIMIT,
    maxQueryLength: MAX_QUERY_LENGTH
  })
  const { log } = app
  const database = openDatabase({
    url: settings.databaseUrl,
    poolSize: settings.poolSize,
    statementTimeoutMs: settings.statementTimeoutMs,
    log
  })
  const sweeper = createSweeper({ ...settings, database, log })
  app.addHook('onReady', async () => sweeper.start())
  app.addHook('onClose', async () => {
    await sweeper.close()
    await database.close()
  })
  await app.register(requestIds)
  await app.register(problems)
  await app.register(health, {
    ready: async () => {
      await database.query('SELECT 1', [])
    }
  })
  await installOpenApi(app)
  await installRoutes(app, { database, settings, log }, settings.secret)
  return app
}
