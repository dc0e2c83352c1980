import type { ImageDocument } from '@tank/model'
import { toImage } from './image-fields.ts'
import type { ImageHttp } from './image-http.ts'
import { type ListOptions, type ListValue, listPages } from './pages.ts'

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

/** Every image that the filter lets through, page by page as it is asked for. */
export async function* listImages(
  http: ImageHttp,
  filter: ListFilter,
  options: ListOptions
): AsyncGenerator<ImageDocument, void, undefined> {
  for await (const image of listPages(http, '/v2/images', 'images', filter, options)) {
    yield toImage(image)
  }
}
