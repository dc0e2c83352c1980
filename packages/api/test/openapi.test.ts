import { Validator } from '@seriousme/openapi-schema-validator'
import { createRegistryClient } from '@tank/client'
import { loadConfig } from '@tank/service'
import { defineStorePlugin } from '@tank/store'
import type { FastifyPluginAsync } from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import { apiConfigSchema, buildApi } from '../src/index.ts'
import type { ApiDocument, ApiOperation } from '../src/openapi/document.ts'

const store = defineStorePlugin({
  name: 'empty',
  options: Type.Object({}),
  open: async () => ({
    type: 'empty',
    features: { ranges: true, unknownSize: true, exclusive: true },
    stat: async () => ({ size: 0 }),
    get: () => Promise.reject(new Error('empty')),
    put: async () => ({ size: 0 }),
    delete: async () => {}
  })
})

/** An API without a registry, and every route that it adds: `METHOD /path`. */
async function open(publicEndpoint = '') {
  const routes = new Set<string>()
  const watching: FastifyPluginAsync = async (app, options) => {
    app.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) routes.add(`${each} ${url}`)
    })
    await store(app, options)
  }
  const api = loadConfig(apiConfigSchema, {
    overrides: {
      identity: { mode: 'headers' },
      publicEndpoint,
      stores: { main: { use: 'empty' } },
      imports: { methods: ['glance-direct', 'web-download', 'copy-image'] }
    }
  })
  const app = await buildApi(api, {
    registry: createRegistryClient({ urls: ['http://127.0.0.1:1'], secret: 'x'.repeat(32) }),
    loadStore: async () => Object.assign(watching, { [Symbol.for('skip-override')]: true }),
    logger: { level: 'silent' }
  })
  return { app, routes }
}

function operationsOf(document: ApiDocument): [name: string, operation: ApiOperation][] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, ApiOperation] => [
      `${method.toUpperCase()} ${path}`,
      operation
    ])
  )
}

t.test('the OpenAPI document', async (t) => {
  const { app, routes } = await open()
  t.teardown(() => app.close())
  const answer = await app.inject('/openapi.json')
  const document: ApiDocument = answer.json()
  const operations = operationsOf(document)

  await t.test('it follows OpenAPI 3.1', async (t) => {
    t.equal(answer.statusCode, 200, 'nobody needs a token to read it')
    const validator = new Validator()
    const { valid, errors } = await validator.validate(JSON.parse(answer.body))
    t.ok(valid, JSON.stringify(errors))
    t.equal(validator.version, '3.1')
    const broken = { ...JSON.parse(answer.body), paths: { '/x': { get: { responses: 1 } } } }
    t.notOk((await new Validator().validate(broken)).valid, 'the validator sees faults')
  })

  await t.test('every route is in it', async (t) => {
    const about = new Set(['GET /openapi.json', 'GET /docs', 'GET /ui/upload'])
    // v1 is described elsewhere: the names of its headers are chosen by users
    const left = (route: string) => /^(?!GET).* \/$| \/v1(\/|$)/.test(route) || about.has(route)
    const others = [...routes].filter((route) => !left(route))
    const paths = others.map((route) => route.replace(/:(\w+)/g, '{$1}'))
    t.same(operations.map(([name]) => name).sort(), paths.sort())
    t.ok(paths.length > 35)
  })

  await t.test('every operation says all that a client needs', async (t) => {
    const names = document.tags.map(({ name }) => name)
    t.equal(new Set(operations.map(([, { operationId }]) => operationId)).size, operations.length)
    for (const [name, operation] of operations) {
      const { summary, tags, parameters = [], responses, requestBody, security } = operation
      t.ok(summary, name)
      t.ok(tags.length === 1 && names.includes(tags[0] ?? ''), name)
      t.notOk(JSON.stringify(operation).includes('Default Response'), name)
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
      const declared = parameters.filter((parameter) => parameter.in === 'path')
      t.same(declared.map((parameter) => parameter.name).sort(), inPath.sort(), name)
      for (const parameter of parameters) t.ok(parameter.description, `${name} ${parameter.name}`)
      if (!name.includes('/v2/') && !name.includes('/ui/')) {
        t.same(security, [], name)
        continue
      }
      for (const status of [400, 401, 500, 503]) t.ok(responses[status], `${name} ${status}`)
      const takesBody =
        /^(POST|PUT|PATCH) /.test(name) &&
        !/\/actions\/|\/cache|images\/\{id\}\/tags\/|^POST .*\/tags\/\{name\}$/.test(name)
      t.equal(requestBody !== undefined, takesBody, name)
    }
  })

  await t.test('references lead somewhere', async (t) => {
    const references = [...answer.body.matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to)
    t.ok(references.length > 20)
    const known = Object.keys(document.components.schemas).map((n) => `#/components/schemas/${n}`)
    t.same(
      [...new Set(references)].filter((to) => !known.includes(to ?? '')),
      []
    )
    t.same(
      known.filter((to) => !references.includes(to)),
      [],
      'and no schema is unused'
    )
  })
})

t.test('its paths begin at the public endpoint', async (t) => {
  for (const [endpoint, url] of [
    ['', 'http://localhost:80'],
    ['https://cloud.example/', 'https://cloud.example'],
    ['https://cloud.example/image', 'https://cloud.example/image']
  ]) {
    const { app } = await open(endpoint)
    t.teardown(() => app.close())
    const document: ApiDocument = (await app.inject('/openapi.json')).json()
    t.same(document.servers, [{ url }])
    t.ok(document.paths['/v2/images'])
  }
})

t.test('S-49: the page of the API runs and loads nothing', async (t) => {
  const { app } = await open()
  t.teardown(() => app.close())
  const { statusCode, headers, body } = await app.inject('/docs')
  t.equal(statusCode, 200)
  t.match(headers['content-type'], /^text\/html/)
  t.equal(headers['x-content-type-options'], 'nosniff')
  const policy = String(headers['content-security-policy'])
  t.match(policy, /^default-src 'none'; style-src 'sha256-[^']+';/)
  t.match(policy, /sandbox$/)
  t.notMatch(policy, /unsafe|http|script/)
  t.notMatch(body, /<script|<link|<img|<iframe| on[a-z]+=|style=|src=/i)
  const links = [...body.matchAll(/href="([^"]*)"/g)].map(([, to]) => to ?? '')
  const ids = new Set([...body.matchAll(/ id="([^"]*)"/g)].map(([, id]) => `#${id}`))
  t.same(
    links.filter((to) => to !== 'openapi.json' && !ids.has(to)),
    []
  )
  const document: ApiDocument = (await app.inject('/openapi.json')).json()
  for (const [, { operationId }] of operationsOf(document)) t.ok(ids.has(`#${operationId}`))
})
