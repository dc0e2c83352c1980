import { basename } from 'node:path'
import {
  apiConfigSchema,
  checkAccess,
  checkInspection,
  checkRemotes,
  checkSignatures
} from '@tank/api/config'
import { registryConfigSchema } from '@tank/registry/config'
import { type ConfigLayer, checkTls, loadConfig, mutualTlsSection, tlsSection } from '@tank/service'
import { type Static, Type } from 'typebox'

const port = (description: string, fallback: number) =>
  Type.Integer({ description, minimum: 0, maximum: 65_535, default: fallback })

const drainSeconds = Type.Number({
  description: 'Seconds that running transfers get to finish when the server stops.',
  minimum: 0,
  default: 30
})

const registryLink = {
  urls: Type.Array(Type.String({ pattern: '^(https?://|unix:/)' }), {
    description: 'Registries in the order of preference: http://host:port or unix:/path.',
    minItems: 1
  }),
  secret: Type.String({ description: 'The secret of the registry.', minLength: 8 })
}

const apiServer = {
  ...apiConfigSchema.properties,
  host: Type.String({ description: 'Address to listen on.', minLength: 1, default: '127.0.0.1' }),
  port: port('Port to listen on; 0: any free one.', 9292),
  tls: Type.Optional(mutualTlsSection),
  workers: Type.Integer({
    description: 'Processes that serve requests.',
    minimum: 1,
    maximum: 256,
    default: 1
  }),
  drainSeconds
}

const registryServer = {
  ...registryConfigSchema.properties,
  host: Type.String({ description: 'Address to listen on.', minLength: 1, default: '127.0.0.1' }),
  port: port('Port to listen on; 0: any free one.', 9191),
  tls: Type.Optional(tlsSection),
  drainSeconds
}

const { databaseUrl, secret } = registryConfigSchema.properties
const closed = { additionalProperties: false }

const log = Type.Object(
  {
    level: Type.Union(
      ['auto', 'debug', 'info', 'warn', 'error', 'silent'].map((each) => Type.Literal(each)),
      {
        description: '`auto`: `warn` on a terminal, else `info`.',
        default: 'auto'
      }
    )
  },
  closed
)

// where one process needs a section whole, another takes the same file without it
const looseApi = Type.Object(
  {
    ...apiServer,
    registry: Type.Optional(
      Type.Object(
        { urls: Type.Optional(registryLink.urls), secret: Type.Optional(registryLink.secret) },
        closed
      )
    )
  },
  closed
)
const strictApi = Type.Object({ ...apiServer, registry: Type.Object(registryLink, closed) }, closed)
const looseRegistry = Type.Object(
  { ...registryServer, databaseUrl: Type.Optional(databaseUrl), secret: Type.Optional(secret) },
  closed
)
const strictRegistry = Type.Object(registryServer, closed)

/** What each command reads of the one configuration file. */
export const schemas = {
  serve: Type.Object({ api: looseApi, registry: looseRegistry, log }, closed),
  api: Type.Object({ api: strictApi, registry: Type.Optional(looseRegistry), log }, closed),
  registry: Type.Object({ registry: strictRegistry, api: Type.Optional(looseApi), log }, closed)
}

export type ServeConfig = Static<typeof schemas.serve>
export type ApiServerConfig = Static<typeof schemas.api>['api']
export type LogLevel = ServeConfig['log']['level']

type Env = Readonly<Record<string, string | undefined>>

/** The short names of variables, beside `TANK_API__…` and `TANK_REGISTRY__…`. */
const SHORT_NAMES: Readonly<Record<string, (value: string) => object>> = {
  TANK_DATABASE_URL: (value) => ({ registry: { databaseUrl: value } }),
  TANK_REGISTRY_URL: (value) => ({ api: { registry: { urls: value } } }),
  TANK_REGISTRY_URLS: (value) => ({ api: { registry: { urls: value } } }),
  TANK_REGISTRY_SECRET: (value) => ({
    api: { registry: { secret: value } },
    registry: { secret: value }
  }),
  TANK_LOG_LEVEL: (value) => ({ log: { level: value } })
}

function layersOf(env: Env): ConfigLayer[] {
  return Object.entries(SHORT_NAMES).flatMap(([source, toValues]) => {
    const value = env[source]
    return value === undefined || value === '' ? [] : [{ source, values: toValues(value) }]
  })
}

export interface ConfigRequest {
  readonly file: string | undefined
  readonly env: Env
  readonly overrides?: object
}

/** Reads the configuration of one command. */
export function readConfig<K extends keyof typeof schemas>(
  kind: K,
  { file, env, overrides }: ConfigRequest
): Static<(typeof schemas)[K]> {
  return loadConfig(schemas[kind], {
    file,
    env,
    envPrefix: 'TANK_',
    layers: layersOf(env),
    overrides: overrides ?? {},
    check: ({ api, registry }: Partial<Pick<ServeConfig, 'api' | 'registry'>>, report) => {
      if (api !== undefined) {
        const below = (pointer: string, message: string) => report(`/api${pointer}`, message)
        checkAccess(api, below)
        checkSignatures(api.signatures, below)
        checkRemotes(api, below)
        checkInspection(api.inspection, below)
      }
      // the key of another server may well be out of our reach
      const own = kind === 'registry' ? 'registry' : 'api'
      const tls = own === 'registry' ? registry?.tls : api?.tls
      checkTls(tls, (pointer, message) => report(`/${own}${pointer}`, message))
    }
  })
}

/** How a configuration is called in messages. */
export function configName(file: string | undefined): string {
  return file === undefined ? 'the environment' : basename(file)
}
