import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RegistryClient } from '@tank/client'
import { TankError } from '@tank/model'
import { createServer, type HeaderLimits, health, problems, type ServerTls } from '@tank/service'
import { type StorePluginOptions, storesPlugin } from '@tank/store'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyPluginAsync,
  FastifyServerOptions
} from 'fastify'
import { copyJob } from './background/copy-job.ts'
import { importJob } from './background/import-job.ts'
import { createJobWorker } from './background/job-worker.ts'
import { locationJob } from './background/location-job.ts'
import { openCache } from './cache/open-cache.ts'
import { createCollector } from './collector.ts'
import type { ApiConfig } from './config.ts'
import type { ApiContext } from './context.ts'
import { createStoreCircuits } from './download/store-circuits.ts'
import { allowOrigins } from './http/cors.ts'
import { refuseForeignPages } from './http/foreign-pages.ts'
import { advertisedMinors, isV1Target, routeTarget } from './http/version-document.ts'
import { registerIdentity } from './identity/register-identity.ts'
import { createImageMutator } from './images/mutate.ts'
import { stagingStore } from './imports/staging-store.ts'
import { createDigestPool } from './ingest/digests.ts'
import { createRunningUploads } from './ingest/running-uploads.ts'
import { createSignatures } from './ingest/signatures.ts'
import { openSigningCertificates } from './ingest/signing-certificates.ts'
import { freeProperties } from './inspection/free-properties.ts'
import { createInspectionRules } from './inspection/rules.ts'
import { createLocationInspector } from './locations/inspect.ts'
import { installOpenApi } from './openapi/install.ts'
import { type Access, createAccess } from './policy/access.ts'
import { openRemotes } from './remotes/remotes.ts'
import { uiRoutes } from './routes/ui/index.ts'
import { v1Routes } from './routes/v1/index.ts'
import { v2Routes } from './routes/v2/index.ts'
import { versionRoutes } from './routes/versions.ts'

// biome-ignore lint/suspicious/noExplicitAny: the options belong to each store package
export type StorePlugin = FastifyPluginAsync<any>

/** What the composition root hands to the API. */
export interface ApiParts {
  readonly registry: RegistryClient
  /** Finds the plugin of a store package by what `use` says. */
  readonly loadStore: (use: string) => Promise<StorePlugin>
  readonly logger?: FastifyServerOptions['logger'] | FastifyBaseLogger
  /** Name of this process in the registry: `<host>/<instance>/<pid>`. */
  readonly worker?: string
  /** Undefined: plain HTTP. */
  readonly tls?: ServerTls | undefined
}

/** In v1 properties travel in headers, and there may be many. */
const V1_HEADERS: HeaderLimits = { bytes: 65_536, count: 300 }
const OTHER_HEADERS: HeaderLimits = { bytes: 16_384, count: 100 }
const WIDE_HEADERS = {
  maxHeaderSize: V1_HEADERS.bytes,
  headerLimits: (url: string) => (isV1Target(url) ? V1_HEADERS : OTHER_HEADERS)
}

/** Longest time that uploads get to clean up when the service stops. */
const CLEAN_UP_MS = 5000

function workerName(): string {
  return `${hostname()}/${randomBytes(4).toString('hex')}/${process.pid}`
}

async function registerStores(
  app: FastifyInstance,
  config: ApiConfig,
  loadStore: ApiParts['loadStore']
): Promise<void> {
  await app.register(
    storesPlugin,
    config.defaultStore === '' ? {} : { default: config.defaultStore }
  )
  for (const [name, { use, ...options }] of Object.entries(config.stores)) {
    const plugin = await loadStore(use)
    await app.register(plugin, { ...options, as: name } satisfies StorePluginOptions)
  }
}

/** Builds the image service: a Fastify app that only waits for `listen`. */
export async function buildApi(config: ApiConfig, parts: ApiParts): Promise<FastifyInstance> {
  const { registry } = parts
  const opened = {
    ...createAccess(config),
    signatures: createSignatures(openSigningCertificates(config.signatures)),
    remotes: await openRemotes(config)
  }
  const copyImage = config.imports.methods.includes('copy-image')
  const cache = config.cache !== undefined
  const minors = advertisedMinors({ stores: true, copyImage, cache })
  const versions = { minors, v1: config.apiV1 }
  const app = createServer({
    ...(parts.logger === undefined ? {} : { logger: parts.logger }),
    tls: parts.tls,
    trustedProxies: config.trustedProxies,
    rewriteUrl: (request) => routeTarget(request.url ?? '/', request.headers.accept, versions),
    ...(config.apiV1 ? WIDE_HEADERS : {})
  })
  await app.register(problems)
  await registerStores(app, config, parts.loadStore)

  const context = openContext(app, config, parts, opened)
  allowOrigins(app, config.corsOrigins)
  refuseForeignPages(app, config)
  await installOpenApi(app, config.publicEndpoint)
  await app.register(health, {
    ready: () => registry.ready(),
    ...(config.healthcheckDisableFile === ''
      ? {}
      : { disabledByFile: config.healthcheckDisableFile })
  })
  versionRoutes(app, config, versions)
  await app.register(imageApi(context))
  return app
}

/** The versions of the Image API; who is asking is found out in the same way for all of them. */
function imageApi(context: ApiContext): FastifyPluginAsync {
  const { config, registry, policy } = context
  return async (app) => {
    await registerIdentity(app, config.identity, registry)
    app.decorateRequest('sees', {
      getter() {
        return policy.sees(this.caller)
      }
    })
    await app.register(v2Routes(context), { prefix: '/v2' })
    await app.register(uiRoutes(context), { prefix: '/ui' })
    if (config.apiV1) await app.register(v1Routes(context), { prefix: '/v1' })
  }
}

/** Makes what the routes work with; it ends with the app. */
function openContext(
  app: FastifyInstance,
  config: ApiConfig,
  parts: ApiParts,
  opened: Access & Pick<ApiContext, 'signatures' | 'remotes'>
): ApiContext {
  const { registry } = parts
  const { signatures, remotes } = opened
  const running = createRunningUploads()
  const digests = createDigestPool()
  const worker = parts.worker ?? workerName()
  const { storeSeconds, storePauseSeconds } = config.transfers
  const reading = {
    stores: app.stores,
    circuits: createStoreCircuits(storePauseSeconds * 1000),
    storeMs: storeSeconds * 1000
  }
  const collector = createCollector({
    registry,
    stores: app.stores,
    intervalMs: config.collectSeconds * 1000,
    log: app.log
  })
  const cache = openCache(config.cache, { reading, digests, log: app.log }, registry)
  const { osHashAlgo, md5, imageSizeCap: cap } = config
  const garbageLeft = () => collector.nudge()
  const inspection = createInspectionRules(
    config.inspection,
    freeProperties(config, opened.protections)
  )
  const shared = { registry, digests, cap, osHashAlgo, md5, inspection, garbageLeft }
  const background = {
    ...shared,
    signatures,
    remotes,
    reading,
    secureHashing: config.locations.secureHashing,
    stallMs: config.jobs.stallSeconds * 1000
  }
  const jobs = createJobWorker({
    context: background,
    handlers: { copy: copyJob, location: locationJob, import: importJob },
    running,
    worker,
    concurrency: config.jobs.concurrency,
    pollMs: config.jobs.pollSeconds * 1000,
    log: app.log
  })
  app.addHook('onReady', async () => {
    if (config.imports.methods.includes('glance-direct')) stagingStore(config, app.stores)
    jobs.start()
    await cache?.keeper.start()
  })
  app.addHook('onClose', async () => {
    // by now every request was answered or cut; what was cut still has to be told to the registry
    const stopping = jobs.close()
    running.abortAll(new TankError('SHUTTING_DOWN', 'The service is shutting down'))
    const ended = Promise.all([running.idle(), stopping])
    await Promise.race([ended, sleep(CLEAN_UP_MS, undefined, { ref: false })])
    await collector.close()
    await cache?.keeper.close()
    await digests.close()
    await remotes.close()
  })
  return {
    config,
    registry,
    ...opened,
    stores: app.stores,
    images: createImageMutator(registry),
    running,
    reading,
    cache,
    outside: createLocationInspector(background),
    collector,
    workAsked: () => jobs.nudge(),
    publicEndpoint: config.publicEndpoint,
    ingest: { ...shared, storeMs: reading.storeMs, running, worker }
  }
}
