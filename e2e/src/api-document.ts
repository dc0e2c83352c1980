import { gunzipSync } from 'node:zlib'
import { Errors } from 'typebox/schema'
import type { Answer } from './http.ts'

export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly examples?: readonly unknown[]
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly schema: Schema
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>

export interface Operation {
  readonly method: string
  readonly path: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}

/** An OpenAPI document, as far as tests read it. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

/** All operations of a document, those of fixed paths first. */
export function operationsOf(document: ApiDocument): Operation[] {
  const paths = Object.entries(document.paths).sort(
    ([a], [b]) => Number(a.includes('{')) - Number(b.includes('{'))
  )
  return paths.flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      ...operation,
      path,
      method: method.toUpperCase()
    }))
  )
}

function matcher(document: ApiDocument) {
  const known = operationsOf(document).map((operation) => ({
    operation,
    pattern: new RegExp(`^${operation.path.replace(/\{\w+\}/g, '[^/]+').replace(/\./g, '\\.')}$`)
  }))
  return (method: string, target: string): Operation | undefined => {
    const path = target.replace(/\?.*/s, '').replace(/^\/v2\.\d+\//, '/v2/')
    return known.find(({ operation, pattern }) => operation.method === method && pattern.test(path))
      ?.operation
  }
}

function textOf({ headers, body }: Answer): string {
  return (headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString()
}

/** What is wrong with an answer of an operation; undefined: nothing. */
function faultOf(document: ApiDocument, operation: Operation, answer: Answer): string | undefined {
  const described = operation.responses[answer.status]
  if (described === undefined) return `status ${answer.status} is not listed`
  if (operation.method === 'HEAD') return undefined
  const { content } = described
  if (content === undefined) return answer.body.length === 0 ? undefined : 'there is a body'
  const type = String(answer.headers['content-type']).split(';', 1)[0] ?? ''
  const schema = content[type]?.schema
  if (schema === undefined) return `media type ${type} is not listed`
  if (type !== 'application/json') return undefined
  const whole = { ...schema, components: document.components }
  const [isFine, [fault]] = Errors(whole, JSON.parse(textOf(answer)))
  return isFine ? undefined : `${fault?.instancePath || '/'} ${fault?.message}`
}

/** Holds answers against the OpenAPI document that the service itself publishes. */
export function createDocumentCheck(fetch: () => Promise<ApiDocument>) {
  let known: Promise<{ document: ApiDocument; find: ReturnType<typeof matcher> }> | undefined
  return async (method: string, target: string, answer: Answer): Promise<void> => {
    known ??= fetch().then((document) => ({ document, find: matcher(document) }))
    const { document, find } = await known
    const operation = find(method, target)
    if (operation === undefined) return
    const fault = faultOf(document, operation, answer)
    if (fault !== undefined) {
      const where = `${method} ${target.slice(0, 200)} (${answer.status})`
      throw new Error(`/openapi.json: ${where}: ${fault}`)
    }
  }
}
