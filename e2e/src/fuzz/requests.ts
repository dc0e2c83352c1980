import fc from 'fast-check'
import { type ApiDocument, type Operation, operationsOf } from '../api-document.ts'
import { ADMIN, P1, P2, READER, type Who } from '../stack.ts'
import { hostileBody, hostileText, mostly } from './hostile.ts'
import { valuesOf } from './values.ts'

/** A request as it goes out; `{image:N}` in the path stands for the image N that is there by then. */
export interface FuzzRequest {
  readonly who: Who | null
  readonly method: string
  /** Percent-encoded ASCII. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer | undefined
}

/** Percent-encoded UTF-8 of any text, also of half a surrogate pair. */
const encoded = (text: string): string =>
  Buffer.from(text)
    .toString('latin1')
    .replace(/[^A-Za-z0-9\-._~]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`)

const pathPart = (name: string): fc.Arbitrary<string> => {
  const wild = fc.oneof(
    hostileText.map((text) => encoded(text.slice(0, 5000)) || '%20'),
    fc.constantFrom(
      '%00',
      '%2e%2e',
      '%2f',
      '%',
      '%zz',
      '%ff',
      '%c0%ae',
      '*',
      ':id',
      'a;b',
      'a%252f'
    ),
    fc.uuid()
  )
  const usual: fc.Arbitrary<string> =
    name === 'id'
      ? fc.nat({ max: 1000 }).map((n) => `{image:${n}}`)
      : fc.constantFrom(...(name === 'store' ? ['main', 'second', 'none'] : ['P1', 'P2', 't']))
  return mostly(usual, wild, 10)
}

function pathOf(path: string): fc.Arbitrary<string> {
  const parts = path.split('/').map((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1]
    return name === undefined ? fc.constant(part) : pathPart(name)
  })
  const strange = fc.constantFrom(
    '/v2//images',
    '/v2/images/',
    '/v2/..',
    '/v3/x',
    '//',
    '/v2.9/images'
  )
  return mostly(
    fc.tuple(...parts).map((all) => all.join('/')),
    strange,
    40
  )
}

type Parameters = NonNullable<Operation['parameters']>
type Of = ReturnType<typeof valuesOf>

const textsOf = (value: unknown): string[] =>
  [value].flat(3).map((each) => (typeof each === 'object' ? JSON.stringify(each) : String(each)))

function queryOf(parameters: Parameters, of: Of): fc.Arbitrary<string> {
  const pairs = parameters.map(({ name, schema }) =>
    of(schema).map((value) =>
      textsOf(value).map((text) => `${name}=${encoded(text.slice(0, 600))}`)
    )
  )
  const wild = fc
    .tuple(hostileText, hostileText)
    .map(([a, b]) => [`${encoded(a.slice(0, 300))}=${encoded(b.slice(0, 300))}`])
  const raw = fc
    .constantFrom('%', '%zz', '&&', '=', '%00=%00', 'a=%ff', 'a[]=1', '?')
    .map((x) => [x])
  const none = { weight: 4, arbitrary: fc.constant<string[][]>([]) }
  const some = fc.array(fc.oneof(wild, raw, ...pairs), { minLength: 1, maxLength: 4 })
  const weight = pairs.length > 0 ? 6 : 1
  return fc
    .oneof(none, { weight, arbitrary: some })
    .map((all) => (all.length === 0 ? '' : `?${all.flat().join('&')}`))
}

/** What the HTTP client lets through as the value of a header. */
const headerText = (text: string) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '').slice(0, 9000)

const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ['accept', ['*/*', 'text/html', 'text/plain', 'application/json', ';;,', 'a'.repeat(3000)]],
  ['accept-encoding', ['gzip', 'gzip;q=0', '*', 'br, x']],
  ['content-type', ['application/json', 'application/octet-stream', 'text/plain', ';', 'a/b;c="']],
  ['content-encoding', ['gzip', 'identity', 'x']],
  ['range', ['bytes=0-', 'bytes=5-1', 'bytes=-1', 'bytes=0-1,3-4', 'bytes=', 'x', 'bytes=0-99999']],
  ['content-range', ['bytes 0-1/2', 'bytes 0-1/*', 'bytes x']],
  ['if-none-match', ['*', '"x"', 'W/"x"', ',,,']],
  ['if-modified-since', ['x', 'Thu, 01 Jan 2099 00:00:00 GMT']],
  ['x-image-meta-store', ['main', 'second', 'none', '__proto__']],
  ['x-openstack-image-size', ['0', '5', '-1', 'x', '99999999999999999999', ' 3 ']],
  ['x-openstack-request-id', ['req-x', 'a'.repeat(200), '<b>']],
  ['x-service-catalog', ['[]', '{', 'x']],
  ['x-roles', ['admin', '', ',,,', 'member,member', '__proto__']],
  ['x-project-id', ['', '__proto__', 'a'.repeat(300), 'é', "'"]],
  ['x-http-method-override', ['DELETE']],
  ['origin', ['null', 'http://evil.test']],
  ['__proto__x', ['x']],
  ['constructor', ['x']]
]

function headersOf(parameters: Parameters, of: Of): fc.Arbitrary<Record<string, string>> {
  const listed = new Map(
    HEADERS.map(([name, values]) => [name, mostly(fc.constantFrom(...values), hostileText, 4)])
  )
  const pair = (name: string, value: fc.Arbitrary<unknown>) =>
    value.map((given) => [name, headerText(textsOf(given).join(','))] as const)
  const all = fc.oneof(...[...listed].map(([name, value]) => pair(name, value)))
  const own = parameters.map(({ name, schema }) => pair(name, listed.get(name) ?? of(schema)))
  const some = fc.array(own.length === 0 ? all : fc.oneof(all, fc.oneof(...own)), { maxLength: 3 })
  return mostly(fc.constant<(readonly [string, string])[]>([]), some, 1).map((pairs) =>
    Object.fromEntries(pairs)
  )
}

interface Content {
  readonly type: string | undefined
  readonly body: string | Buffer | undefined
}

function bodyOf({ requestBody }: Operation, of: Of) {
  const none = fc.constant<Content>({ type: undefined, body: undefined })
  const wild = fc
    .tuple(fc.constantFrom('application/json', 'application/octet-stream', 'x'), hostileBody)
    .map(([type, body]): Content => ({ type, body }))
  const bodies = Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) =>
    type === 'application/octet-stream'
      ? fc
          .uint8Array({ maxLength: 500 })
          .map((bytes): Content => ({ type, body: Buffer.from(bytes) }))
      : of(schema).map((value): Content => ({ type, body: JSON.stringify(value) }))
  )
  return bodies.length === 0 ? mostly(none, wild, 20) : mostly(fc.oneof(...bodies), wild, 6)
}

const METHODS = [
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'PURGE']
]

function ofOperation(operation: Operation, of: Of): fc.Arbitrary<FuzzRequest> {
  const { parameters = [], path, method } = operation
  const at = (place: string) => parameters.filter((each) => each.in === place)
  return fc
    .record({
      who: fc.oneof(
        { weight: 12, arbitrary: fc.constantFrom(ADMIN, P1, P1, P1, P2, READER) },
        { weight: 1, arbitrary: fc.constant(null) }
      ),
      method: mostly(fc.constant(method), fc.constantFrom(...METHODS), 25),
      path: pathOf(path),
      query: queryOf(at('query'), of),
      headers: headersOf(at('header'), of),
      content: bodyOf(operation, of)
    })
    .map(({ who, method, path, query, headers, content: { type, body } }) => ({
      who,
      method,
      target: `${path}${query}`,
      headers: { ...(type === undefined ? {} : { 'content-type': type }), ...headers },
      body
    }))
}

/** Requests of every kind that a document describes, right and wrong ones. */
export function requestsOf(document: ApiDocument): fc.Arbitrary<FuzzRequest> {
  const of = valuesOf(document)
  const all = operationsOf(document).map((operation) => ({
    // what takes nothing is soon tried out
    weight: operation.requestBody === undefined && operation.parameters === undefined ? 1 : 4,
    arbitrary: ofOperation(operation, of)
  }))
  return fc.oneof(...all)
}
