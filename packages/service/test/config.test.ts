import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Type } from 'typebox'
import { ConfigError, loadConfig } from '../src/index.ts'

const Store = Type.Object({ use: Type.String({ minLength: 1 }) }, { additionalProperties: true })
const schema = Type.Object({
  api: Type.Object({
    host: Type.String({ default: '127.0.0.1' }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 9292 }),
    stores: Type.Record(Type.String({ pattern: '^[a-z]+$' }), Store, { default: {} }),
    limits: Type.Object({
      images: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], { default: null }),
      open: Type.Boolean({ default: false })
    }),
    urls: Type.Array(Type.String({ pattern: '^http' }), { minItems: 1, default: ['http://a'] }),
    level: Type.Union([Type.Literal('info'), Type.Literal('warn')], { default: 'info' }),
    identity: Type.Union(
      [
        Type.Object({ mode: Type.Literal('none'), allowOpen: Type.Boolean({ default: false }) }),
        Type.Object({ mode: Type.Literal('keystone'), url: Type.String() })
      ],
      { default: { mode: 'none' } }
    ),
    cors: Type.Optional(Type.Object({ origin: Type.String(), age: Type.Integer({ default: 5 }) }))
  }),
  registry: Type.Object({
    databaseUrl: Type.String({ minLength: 1 }),
    secret: Type.Optional(Type.String({ minLength: 8 }))
  })
})

const given = { registry: { databaseUrl: 'postgres://a' } }

function faultsOf(sources: Parameters<typeof loadConfig>[1]): readonly string[] {
  try {
    loadConfig(schema, sources)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

function file(test: { testdir(): string }, text: string, name = 'tank.yaml'): string {
  const path = join(test.testdir(), name)
  writeFileSync(path, text)
  return path
}

t.test('defaults reach every level', async (t) => {
  const config = loadConfig(schema, { overrides: given })
  t.match(config, {
    api: {
      port: 9292,
      stores: {},
      limits: { images: null, open: false },
      identity: { mode: 'none', allowOpen: false }
    },
    registry: { databaseUrl: 'postgres://a' }
  })
  t.notOk('cors' in config.api)
  const cors = loadConfig(schema, { overrides: { ...given, api: { cors: { origin: 'x' } } } })
  t.equal(cors.api.cors?.age, 5)
})

t.test('S-42 the result is frozen and its objects have no prototype', async (t) => {
  const config = loadConfig(schema, { overrides: given })
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.api.limits))
  t.throws(() => {
    ;(config.api as { port: number }).port = 1
  })
  t.equal(Object.getPrototypeOf(config.api.stores), null)
  t.equal((config.api.stores as Record<string, unknown>).constructor, undefined)
})

t.test('file, then layers, then variables, then the command line', async (t) => {
  const path = file(
    t,
    `api:
  port: 1
  host: filehost
  stores: { main: { use: '@tank/store-fs', root: /a, partSize: 5 } }
registry: { databaseUrl: file }
`
  )
  const config = loadConfig(schema, {
    file: path,
    layers: [{ source: 'TANK_DATABASE_URL', values: { registry: { databaseUrl: 'layer' } } }],
    env: {
      TANK_API__PORT: '2',
      tank_api__limits__images: '7',
      TANK_API__LIMITS__OPEN: 'TRUE',
      TANK_API__URLS: 'http://a, http://b',
      TANK_API__STORES__MAIN__ROOT: '/b',
      TANK_API__STORES__MAIN__PARTSIZE: '6',
      TANK_API__STORES__OTHER__USE: 'pkg',
      TANK_REGISTRY__SECRET: '12345678',
      TANK_URL: 'not of the config',
      TANK_DATA_DIR: 'neither',
      OTHER__PORT: '9'
    },
    envPrefix: 'TANK_',
    overrides: { api: { port: 3 } }
  })
  t.match(config, {
    api: {
      port: 3,
      host: 'filehost',
      limits: { images: 7, open: true },
      urls: ['http://a', 'http://b'],
      stores: {
        main: { use: '@tank/store-fs', root: '/b', partSize: '6' },
        other: { use: 'pkg' }
      }
    },
    registry: { databaseUrl: 'layer', secret: '12345678' }
  })
  const spelled = loadConfig(schema, {
    env: { TANK_REGISTRY__DATABASE_URL: 'with underscores' },
    envPrefix: 'TANK_'
  })
  t.equal(spelled.registry.databaseUrl, 'with underscores')
  const none = loadConfig(schema, {
    env: { TANK_API__LIMITS__IMAGES: 'null' },
    envPrefix: 'TANK_',
    overrides: given
  })
  t.equal(none.api.limits.images, null)
})

t.test('every fault at once, with pointer and source', async (t) => {
  const path = file(
    t,
    `api:
  port: 70000
  prot: 1
  stores: { main: { root: /a }, 'Bad Name': { use: x } }
  limits: { images: many }
  urls: [ftp://x]
  level: loud
  identity: { mode: keystone }
`
  )
  const faults = faultsOf({
    file: path,
    env: { TANK_API__LIMITS__OPEN: 'maybe', TANK_REGISTRY__SECRT: 'canary-value' },
    envPrefix: 'TANK_',
    overrides: { api: { host: 5 } }
  })
  t.match(faults, [
    '/api/port: must be <= 65535 (tank.yaml)',
    '/api/prot: unknown key (tank.yaml)',
    '/api/stores/main/use: missing (tank.yaml)',
    '/api/stores/Bad Name: unknown key (tank.yaml)',
    /^\/api\/limits\/images: must be .*\(tank.yaml\)$/,
    '/api/limits/open: must be boolean (TANK_API__LIMITS__OPEN)',
    /^\/api\/urls\/0: must match pattern.*\(tank.yaml\)$/,
    /^\/api\/level: must be one of "info", "warn" \(tank.yaml\)$/,
    '/api/identity/url: missing (tank.yaml)',
    '/api/host: must be string (command line)',
    '/registry/databaseUrl: missing (tank.yaml)',
    '/registry/secrt: unknown key (TANK_REGISTRY__SECRT)'
  ])
  t.equal(faults.length, 12, faults.join('\n'))
  t.notMatch(faults.join('\n'), /canary/, 'values are not shown')
})

t.test('placeholders', async (t) => {
  const path = file(
    t,
    `api:
  port: \${PORT}
  host: "h-\${A}-$\${A}"
  stores: { main: { use: x, key: "\${KEY}" } }
registry: { databaseUrl: "postgres://u:\${PASS}@h" }
`
  )
  const config = loadConfig(schema, { file: path, env: { PORT: '5', A: 'a', KEY: '7', PASS: 'p' } })
  t.match(config, {
    api: { port: 5, host: ['h-a-$', '{A}'].join(''), stores: { main: { key: '7' } } },
    registry: { databaseUrl: 'postgres://u:p@h' }
  })
  t.match(
    faultsOf({ file: path, env: { PORT: '5' } }),
    [
      '/api/host: the variable A is not set (tank.yaml)',
      '/api/stores/main/key: the variable KEY is not set (tank.yaml)',
      '/registry/databaseUrl: the variable PASS is not set (tank.yaml)'
    ],
    'all missing variables at once'
  )
  const injected = loadConfig(schema, {
    file: path,
    env: { PORT: '5', A: 'x\n  port: 1', KEY: '', PASS: '' }
  })
  t.equal(injected.api.port, 5, 'values cannot become structure')
})

t.test('files that cannot be used', async (t) => {
  t.match(faultsOf({ file: '/nonexistent/tank.yaml' }), [/cannot read the file: not found/])
  const broken = faultsOf({ file: file(t, 'api: {port: 1\nsecret: canary') })
  t.match(broken[0], /at line 2, column/)
  t.notMatch(broken.join(), /canary/)
  t.match(faultsOf({ file: file(t, 'a: 1\na: 2') })[0], /unique/)
  t.match(faultsOf({ file: file(t, '- 1') }), ['/: must be a map of sections (tank.yaml)'])
  t.match(faultsOf({ file: file(t, '') }), [/databaseUrl: missing/])
  t.match(faultsOf({ file: file(t, '__proto__: { a: 1 }\nregistry: { databaseUrl: x }') }), [
    '/__proto__: this name is not allowed (tank.yaml)'
  ])
  const json = file(t, JSON.stringify(given), 'tank.json')
  t.equal(loadConfig(schema, { file: json }).registry.databaseUrl, 'postgres://a')
})

t.test('a check of its own follows the schema, and its faults name their sources', async (t) => {
  const small = Type.Object({ host: Type.String({ default: 'here' }), port: Type.Integer() })
  const faults = (host: string, port: string): readonly string[] => {
    try {
      loadConfig(small, {
        env: { TANK__HOST: host, TANK__PORT: port },
        envPrefix: 'TANK__',
        check: (config, report) => {
          if ('host' in config && config.host === 'nowhere') report('/host', 'must be somewhere')
        }
      })
      return []
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
  }
  t.same(faults('here', '80'), [])
  t.same(faults('nowhere', '80'), ['/host: must be somewhere (TANK__HOST)'])
  t.same(faults('nowhere', 'x'), ['/port: must be integer (TANK__PORT)'])
})
