import { Errors } from 'typebox/schema'

type Fetch = (path: string) => Promise<unknown>

const ID = '[0-9a-f-]{36}'
const NAMESPACE = '^/v2/metadefs/namespaces/[^/?]+'

/** Which of the schemas of the service an answer to a request has to follow. */
const RULES: readonly (readonly [method: string, path: RegExp, schema: string])[] = [
  ['GET', /^\/v2\/images(\?|$)/, 'images'],
  ['POST', /^\/v2\/images$/, 'image'],
  ['GET', new RegExp(`^/v2/images/${ID}$`), 'image'],
  ['PATCH', new RegExp(`^/v2/images/${ID}$`), 'image'],
  ['GET', new RegExp(`^/v2/images/${ID}/members$`), 'members'],
  ['POST', new RegExp(`^/v2/images/${ID}/members$`), 'member'],
  ['GET', new RegExp(`^/v2/images/${ID}/members/`), 'member'],
  ['PUT', new RegExp(`^/v2/images/${ID}/members/`), 'member'],
  ['GET', /^\/v2\/tasks(\?|$)/, 'tasks'],
  ['POST', /^\/v2\/tasks$/, 'task'],
  ['GET', new RegExp(`^/v2/tasks/${ID}$`), 'task'],
  ['GET', /^\/v2\/metadefs\/namespaces(\?|$)/, 'metadefs/namespaces'],
  ['POST', /^\/v2\/metadefs\/namespaces$/, 'metadefs/namespace'],
  ...['GET', 'PUT'].flatMap((method) => [
    [method, new RegExp(`${NAMESPACE}(\\?|$)`), 'metadefs/namespace'] as const,
    [method, new RegExp(`${NAMESPACE}/objects/`), 'metadefs/object'] as const,
    [method, new RegExp(`${NAMESPACE}/properties/`), 'metadefs/property'] as const,
    [method, new RegExp(`${NAMESPACE}/tags/`), 'metadefs/tag'] as const
  ]),
  ...['objects', 'properties', 'tags', 'resource_types'].map(
    (kind) => ['GET', new RegExp(`${NAMESPACE}/${kind}$`), `metadefs/${kind}`] as const
  ),
  ['POST', new RegExp(`${NAMESPACE}/objects$`), 'metadefs/object'],
  ['POST', new RegExp(`${NAMESPACE}/properties$`), 'metadefs/property'],
  ['POST', new RegExp(`${NAMESPACE}/tags$`), 'metadefs/tags'],
  ['POST', new RegExp(`${NAMESPACE}/tags/`), 'metadefs/tag'],
  ['POST', new RegExp(`${NAMESPACE}/resource_types$`), 'metadefs/resource_type']
]

/** Holds answers against the schemas that the service itself publishes (SCH5). */
export function createAnswerCheck(fetch: Fetch) {
  const schemas = new Map<string, Promise<unknown>>()
  const schemaOf = (name: string) => {
    const known = schemas.get(name) ?? fetch(`/v2/schemas/${name}`)
    schemas.set(name, known)
    return known
  }
  return async (method: string, path: string, status: number, body: unknown): Promise<void> => {
    if (status !== 200 && status !== 201) return
    const rule = RULES.find(([of, pattern]) => of === method && pattern.test(path))
    if (rule === undefined) return
    const [isFine, [fault]] = Errors((await schemaOf(rule[2])) as object, body)
    if (isFine) return
    const where = `${fault?.instancePath || '/'} ${fault?.message}`
    throw new Error(`SCH5: ${method} ${path} does not follow schema ${rule[2]}: ${where}`)
  }
}
