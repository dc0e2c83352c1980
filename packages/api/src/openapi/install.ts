import { STATUS_CODES } from 'node:http'
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { compressJson } from '../http/compress.ts'
import { linkBase } from '../http/version-document.ts'
import { addComponents, type Component } from './components.ts'
import { docsPage } from './docs-page.ts'
import type { ApiDocument, ApiOperation } from './document.ts'
import { TAGS } from './operation.ts'

const DESCRIPTION = `The Image API v2 of this service. Requests under \`/v2\` bring a token, either as \`X-Auth-Token\` or as \`Authorization: Bearer\`; whether they need one, and where it comes from, is the operator's choice. \`/v2.N/…\`, for every version that \`/versions\` lists, is the same as \`/v2/…\`. Errors are JSON, or HTML or plain text for clients that prefer it. The Image API v1, for older clients, is not described here: the names of its headers are chosen by users.`

const OPTIONS: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Tank Image API',
      version: '2',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' }
    },
    components: {
      securitySchemes: {
        token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' },
        bearer: { type: 'http', scheme: 'bearer' }
      }
    },
    security: [{ token: [] }, { bearer: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description }))
  },
  refResolver: {
    buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `def-${i}`)
  }
}

/** Of GET and HEAD that share a route, HEAD gets an id of its own, and answers without bodies. */
function headOf(get: ApiOperation): ApiOperation {
  const responses = Object.entries(get.responses).map(([status, { content: _, ...rest }]) => [
    status,
    rest
  ])
  return { ...get, operationId: `${get.operationId}Head`, responses: Object.fromEntries(responses) }
}

const sectionRef = (name: Component) => ({ schema: { $ref: `#/components/schemas/${name}` } })

/** Errors of requests that are wrong whatever the route. */
const FRAME_ERRORS = Object.fromEntries(
  [400, 413, 415, 431].map((status) => [
    status,
    {
      description: STATUS_CODES[status] ?? 'Error',
      content: {
        'application/problem+json': sectionRef('Problem'),
        'application/json': sectionRef('Error')
      }
    }
  ])
)

/** An operation with the errors that it shares: whatever writes may bring too much, or an odd type. */
function complete(method: string, operation: ApiOperation): ApiOperation {
  const { responses, tags } = operation
  if (tags.includes('service')) {
    return { ...operation, responses: { ...FRAME_ERRORS, ...responses } }
  }
  if (method === 'get' || method === 'head') return operation
  const ofBodies = [413, 415].map((status) => [
    status,
    { ...responses[400], description: STATUS_CODES[status] ?? 'Error' }
  ])
  return { ...operation, responses: { ...Object.fromEntries(ofBodies), ...responses } }
}

/** The document of a server that is ready, but for where it is. */
function documentOf(app: FastifyInstance): ApiDocument {
  const document = app.swagger() as unknown as ApiDocument
  const paths = Object.entries(document.paths).map(([path, item]) => [
    path,
    Object.fromEntries(
      Object.entries(item).map(([method, given]) => {
        const operation = complete(method, given)
        return [method, method === 'head' ? headOf(operation) : operation]
      })
    )
  ])
  const { servers: _, ...rest } = document
  return { ...rest, paths: Object.fromEntries(paths) }
}

const hidden = { schema: { hide: true } }

/** Describes the routes that are added after it: `/openapi.json`, and `/docs` to read it. */
export async function installOpenApi(app: FastifyInstance, publicEndpoint: string): Promise<void> {
  await app.register(swagger, OPTIONS)
  addComponents(app)
  let text: string | undefined
  let page: ReturnType<typeof docsPage> | undefined
  await app.register(async (scope) => {
    compressJson(scope)
    scope.addHook('onSend', async (_request, reply) => {
      reply.headers({ 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' })
    })
    scope.get('/openapi.json', hidden, async (request, reply) => {
      text ??= JSON.stringify(documentOf(app))
      const servers = JSON.stringify([{ url: linkBase(request, publicEndpoint) }])
      const here = `{"servers":${servers},${text.slice(1)}`
      return reply.type('application/json; charset=utf-8').send(here)
    })
    scope.get('/docs', hidden, async (_request, reply) => {
      page ??= docsPage(documentOf(app))
      return reply
        .header('content-security-policy', page.policy)
        .type('text/html; charset=utf-8')
        .send(page.html)
    })
  })
}
