import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifySchema } from 'fastify'
import type { TSchema } from 'typebox'
import { type Component, refTo } from './components.ts'

/** Groups of operations, in the order in which a reader meets them. */
export const TAGS = {
  images: 'Records of images: list, create, show, change, delete.',
  data: 'The bytes of images: upload and download.',
  members: 'Projects that an image is shared with.',
  imports: 'Data that Tank fetches or copies itself, and what became of it.',
  locations: 'Where the bytes of images lie.',
  cache: 'Images of remote stores on the local disk of a node.',
  metadefs: 'Definitions of what properties mean, in namespaces.',
  info: 'What this service offers, and how much of it is used.',
  schemas: 'Schemas of what the API shows.',
  service: 'Versions and health. No token is needed.'
} as const

/** One answer of an operation. */
type Answer = Readonly<Record<string, unknown>> & { readonly description: string }

/** What a route says of itself; errors that every route has are added. */
interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tag: keyof typeof TAGS
  readonly params?: TSchema
  readonly querystring?: TSchema
  readonly headers?: TSchema
  /** Schemas by media type. */
  readonly body?: Readonly<Record<string, object>>
  readonly answers: Readonly<Record<number, Answer>>
  /** Statuses of errors beside 400, 401, 431, 500 and 503. */
  readonly errors?: readonly number[]
  /** Errors are `application/problem+json` instead of what clients of the Image API read. */
  readonly problems?: boolean
}

const ALWAYS = [400, 401, 431, 500, 503]

const contentOf = (types: Readonly<Record<string, object>>) =>
  Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }]))

/** An answer without a body. */
export function nothing(description: string, headers: object = {}): Answer {
  return { type: 'null', description, ...(Object.keys(headers).length === 0 ? {} : { headers }) }
}

/** An answer with a body of one media type. */
export function content(
  type: string,
  schema: object,
  description: string,
  headers: object = {}
): Answer {
  return {
    description,
    content: contentOf({ [type]: schema }),
    ...(Object.keys(headers).length === 0 ? {} : { headers })
  }
}

/** An answer in one of several media types. */
export function oneOf(types: Readonly<Record<string, object>>, description: string): Answer {
  return { description, content: contentOf(types) }
}

/** An answer in JSON; `schema` may be the name of a component. */
export function json(schema: Component | object, description: string, headers?: object): Answer {
  const resolved = typeof schema === 'string' ? refTo(schema) : schema
  return content('application/json', resolved, description, headers)
}

function errorAnswer(status: number, problems: boolean): Answer {
  const headers =
    status === 401
      ? { 'www-authenticate': { type: 'string', description: 'How to ask for a token' } }
      : status === 503
        ? { 'retry-after': { type: 'string', description: 'Seconds to wait before the next try' } }
        : undefined
  return {
    description: STATUS_CODES[status] ?? 'Error',
    content: contentOf({
      ...(problems
        ? { 'application/problem+json': refTo('Problem') }
        : { 'application/json': refTo('Error'), 'text/plain': { type: 'string' } }),
      'text/html': { type: 'string' }
    }),
    ...(headers === undefined ? {} : { headers })
  }
}

/** The schema of a route of the Image API, for the OpenAPI document. */
export function operation(described: Operation): FastifySchema {
  const { tag, answers, errors = [], problems = false, body, ...rest } = described
  const statuses = [...new Set([...ALWAYS, ...errors])]
  return {
    ...rest,
    tags: [tag],
    ...(body === undefined ? {} : { body: { content: contentOf(body) } }),
    response: {
      ...Object.fromEntries(statuses.map((status) => [status, errorAnswer(status, problems)])),
      ...answers
    }
  }
}

/**
 * Route schemas describe and do nothing else: requests are read by hand, in the words and in the order
 * that the Image API wants, and most answers pass on the registry's bytes.
 */
export function onlyDescribe(app: FastifyInstance): void {
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
}
