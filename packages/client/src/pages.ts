import { TankClientError } from './errors.ts'
import { type ImageHttp, readList, readObject } from './image-http.ts'

export type ListValue = string | number | boolean

/** How a list is fetched. */
export interface ListOptions {
  readonly signal?: AbortSignal | undefined
  /** Entries in one request; the server's own choice unless told. */
  readonly pageSize?: number | undefined
}

export type ListQuery = Readonly<Record<string, ListValue | readonly ListValue[] | undefined>>

/** Every entry under `key` of the pages at `path`; pages are fetched as they are needed. */
export async function* listPages(
  http: ImageHttp,
  path: string,
  key: string,
  filter: ListQuery,
  options: ListOptions
): AsyncGenerator<unknown, void, undefined> {
  let query: string | undefined = firstQuery(filter, options.pageSize)
  while (query !== undefined) {
    const answer = await http.call({
      method: 'GET',
      path: query === '' ? path : `${path}?${query}`,
      repeat: 'always',
      signal: options.signal
    })
    const entries = readList(answer, key)
    yield* entries
    query = entries.length === 0 ? undefined : nextQuery(readObject(answer).next, query)
  }
}

function firstQuery(filter: ListQuery, pageSize: number | undefined): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one))
  }
  if (pageSize !== undefined) query.set('limit', String(pageSize))
  return query.toString()
}

/**
 * Only the query of `next` is used: the link does not know under which prefix the server was
 * reached, and must not be able to lead the client and its token to another place.
 */
function nextQuery(next: unknown, current: string): string | undefined {
  if (typeof next !== 'string') return undefined
  const mark = next.indexOf('?')
  const query = mark === -1 ? '' : next.slice(mark + 1).replace(/#.*$/, '')
  if (query === '' || query === current) {
    throw new TankClientError('BAD_ANSWER', 'the next page that the server names is no other page')
  }
  return query
}
