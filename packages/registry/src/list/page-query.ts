import { oneOf, type PageSize, parseLimit } from './list-query.ts'
import { invalidQuery, parseQueryString } from './query-string.ts'

/** What a page of a plain list asks for: one sort key, one direction. */
export interface PageQuery<Key extends string> {
  readonly limit: number
  readonly marker: string | undefined
  readonly key: Key
  readonly direction: 'asc' | 'desc'
  /** The value of a parameter that is one of these words; undefined when it is not given. */
  word<Word extends string>(name: string, words: readonly Word[]): Word | undefined
  /** The value of a parameter, any text. */
  text(name: string): string | undefined
}

/** Reads `limit`, `marker`, `sort_key` and `sort_dir`; what else is there is asked for by name. */
export function parsePageQuery<Key extends string>(
  raw: string,
  keys: readonly Key[],
  pageSize: PageSize
): PageQuery<Key> {
  const single = new Map(parseQueryString(raw))
  const key = keys.find((known) => known === (single.get('sort_key') ?? 'created_at'))
  if (key === undefined) throw invalidQuery(`sort_key has to be one of ${keys.join(', ')}.`)
  return {
    limit: parseLimit(single.get('limit'), pageSize),
    marker: single.get('marker'),
    key,
    direction: oneOf('sort_dir', single.get('sort_dir'), ['asc', 'desc']) ?? 'desc',
    word: (name, words) => oneOf(name, single.get(name), words),
    text: (name) => single.get(name)
  }
}

/** The SQL that ends a page: its order, and one row more than asked for, which tells of a next page. */
export function pageEnd(
  { direction, limit }: Pick<PageQuery<string>, 'direction' | 'limit'>,
  key: string,
  id: string
): string {
  return `ORDER BY ${key} ${direction}, ${id} ${direction} LIMIT ${limit + 1}`
}

/** SQL of "comes after the marker": `one` selects the two values of the marker's row. */
export function afterRow(
  { direction }: Pick<PageQuery<string>, 'direction'>,
  key: string,
  id: string,
  one: string
): string {
  return `(${key}, ${id}) ${direction === 'asc' ? '>' : '<'} (${one})`
}
