import type { ImageDocument } from '@tank/model'
import { TankClientError } from './errors.ts'
import { toImage } from './image-fields.ts'
import { type ImageHttp, readObject } from './image-http.ts'

export type ListValue = string | number | boolean

/** Filters and sorting as the Image API v2 names them; an array repeats its parameter. */
export interface ListFilter {
  readonly name?: string
  readonly status?: string
  readonly visibility?: string
  readonly owner?: string
  readonly tag?: string | readonly string[]
  /** `name:asc,created_at:desc` */
  readonly sort?: string
  readonly [parameter: string]: ListValue | readonly ListValue[] | undefined
}

export interface ListOptions {
  readonly signal?: AbortSignal | undefined
  /** Images in one request; the server's own choice unless told. */
  readonly pageSize?: number | undefined
}

/** Every image that the filter lets through, page by page as it is asked for. */
export async function* listImages(
  http: ImageHttp,
  filter: ListFilter,
  options: ListOptions
): AsyncGenerator<ImageDocument, void, undefined> {
  let query: string | undefined = firstQuery(filter, options.pageSize)
  while (query !== undefined) {
    const answer = await http.call({
      method: 'GET',
      path: query === '' ? '/v2/images' : `/v2/images?${query}`,
      repeat: 'always',
      signal: options.signal
    })
    const { images, next } = readObject(answer)
    if (!Array.isArray(images)) {
      throw new TankClientError('BAD_ANSWER', 'the server sent no list of images')
    }
    for (const image of images) yield toImage(image)
    query = images.length === 0 ? undefined : nextQuery(next, query)
  }
}

function firstQuery(filter: ListFilter, pageSize: number | undefined): string {
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
