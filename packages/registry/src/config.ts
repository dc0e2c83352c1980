import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'

const seconds = (description: string, fallback: number) =>
  Type.Optional(Type.Number({ description, minimum: 0.05, maximum: 86_400, default: fallback }))

const limit = (description: string) =>
  Type.Optional(
    Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], { description, default: null })
  )

/** Configuration of the registry. Everything but `databaseUrl` and `secret` has a default. */
export const registryConfigSchema = Type.Object(
  {
    databaseUrl: Type.String({
      description: 'PostgreSQL, as `postgres://user:password@host:port/database`',
      minLength: 1
    }),
    secret: Type.String({
      description: 'What callers send as `Authorization: Bearer <secret>`; printable ASCII',
      pattern: '^[!-~][ -~]{6,}[!-~]$'
    }),
    poolSize: Type.Optional(
      Type.Integer({ description: 'Connections to PostgreSQL', minimum: 1, default: 10 })
    ),
    migrate: Type.Optional(
      Type.Boolean({ description: 'Bring the database up to date at boot', default: true })
    ),
    statementTimeoutSeconds: seconds('Longest time of one statement', 30),
    leaseSeconds: seconds('How long an operation lives without a heartbeat', 30),
    heartbeatSeconds: seconds('How often workers are asked to renew their leases', 10),
    sweepSeconds: seconds('How often expired leases are looked for', 5),
    garbageGraceSeconds: Type.Optional(
      Type.Number({
        description: 'How long garbage is handed out again after it was deleted; two leases',
        minimum: 0
      })
    ),
    deleteDelaySeconds: Type.Optional(
      Type.Number({
        description:
          'How long images with data wait as `pending_delete` before they are deleted for good, with their bytes; meanwhile `tank restore` brings them back. 0: they do not wait',
        minimum: 0,
        maximum: 315_360_000,
        default: 0
      })
    ),
    unfinishedHours: Type.Optional(
      Type.Number({
        description:
          'Images that have no data, and that nobody has changed for so long, are deleted unless they are protected. 0: they wait for ever',
        minimum: 0,
        maximum: 87_600,
        default: 0
      })
    ),
    background: Type.Optional(
      Type.Object(
        {
          tries: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 3 })),
          staleSeconds: Type.Optional(Type.Number({ minimum: 0.05, default: 3600 })),
          keepHours: Type.Optional(Type.Number({ minimum: 0, default: 48 }))
        },
        {
          description:
            'Work that any worker may do. `tries`: how often it begins, when workers die with it. `staleSeconds`: without progress for so long it makes room for the next; waiting for twice as long, too. `keepHours`: how long its task is shown when it is over',
          additionalProperties: false,
          default: {}
        }
      )
    ),
    pageSize: Type.Optional(
      Type.Object(
        {
          default: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 25 })),
          max: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 }))
        },
        { description: 'Images a page of the list', additionalProperties: false, default: {} }
      )
    ),
    quotas: Type.Optional(
      Type.Object(
        {
          images: limit('Images a project'),
          bytes: limit('Bytes that stores hold for a project, running uploads included'),
          staged: limit('Bytes of a project that wait for their import or are on their way'),
          uploads: limit('Uploads of a project at a time')
        },
        { description: 'Null is unlimited', additionalProperties: false, default: {} }
      )
    )
  },
  { additionalProperties: false }
)

export type RegistryConfig = Static<typeof registryConfigSchema>

/** Limits of every project; null is unlimited. */
export interface Quotas {
  readonly images: number | null
  readonly bytes: number | null
  readonly staged: number | null
  readonly uploads: number | null
}

/** The configuration with every default filled in; times are in milliseconds. */
export interface Settings {
  readonly databaseUrl: string
  readonly secret: string
  readonly poolSize: number
  readonly migrate: boolean
  readonly statementTimeoutMs: number
  readonly leaseMs: number
  readonly heartbeatMs: number
  readonly sweepMs: number
  readonly garbageGraceMs: number
  /** How long deleted images keep their data; 0: not at all. */
  readonly deleteDelayMs: number
  /** How long images may wait for data; 0: for ever. */
  readonly unfinishedMs: number
  /** How often background work is begun. */
  readonly tries: number
  readonly staleMs: number
  readonly tasksKeptMs: number
  readonly pageSize: { readonly default: number; readonly max: number }
  readonly quotas: Quotas
}

const milliseconds = (value: number): number => Math.round(value * 1000)

/** Checks a configuration and fills in its defaults; throws an `Error` that names the first fault. */
export function toSettings(config: RegistryConfig): Settings {
  const full: RegistryConfig = Value.Default(
    registryConfigSchema,
    structuredClone(config)
  ) as RegistryConfig
  const [fault] = Value.Errors(registryConfigSchema, full)
  if (fault !== undefined) {
    throw new Error(`registry config ${fault.instancePath || '/'}: ${fault.message}`)
  }
  const leaseMs = milliseconds(full.leaseSeconds ?? 30)
  const heartbeatMs = milliseconds(full.heartbeatSeconds ?? 10)
  if (heartbeatMs >= leaseMs) {
    throw new Error('registry config /heartbeatSeconds: must be less than leaseSeconds')
  }
  const max = full.pageSize?.max ?? 1000
  return {
    databaseUrl: full.databaseUrl,
    secret: full.secret,
    poolSize: full.poolSize ?? 10,
    migrate: full.migrate ?? true,
    statementTimeoutMs: milliseconds(full.statementTimeoutSeconds ?? 30),
    leaseMs,
    heartbeatMs,
    sweepMs: milliseconds(full.sweepSeconds ?? 5),
    garbageGraceMs:
      full.garbageGraceSeconds === undefined ? 2 * leaseMs : milliseconds(full.garbageGraceSeconds),
    deleteDelayMs: milliseconds(full.deleteDelaySeconds ?? 0),
    unfinishedMs: milliseconds((full.unfinishedHours ?? 0) * 3600),
    tries: full.background?.tries ?? 3,
    staleMs: milliseconds(full.background?.staleSeconds ?? 3600),
    tasksKeptMs: milliseconds((full.background?.keepHours ?? 48) * 3600),
    pageSize: { default: Math.min(full.pageSize?.default ?? 25, max), max },
    quotas: {
      images: full.quotas?.images ?? null,
      bytes: full.quotas?.bytes ?? null,
      staged: full.quotas?.staged ?? null,
      uploads: full.quotas?.uploads ?? null
    }
  }
}
