import { displayId } from '../images/document.ts'
import type { Branch } from './branches.ts'
import type { Conditions } from './filters.ts'
import { afterMarker, orderBy, type SortKey } from './sort.ts'

/** A statement as it goes to PostgreSQL. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
  /** The text does not vary with what a user asks for, so it is worth a prepared plan. */
  readonly named: boolean
}

/** What a page is made of. */
export interface PageParts {
  readonly branches: readonly Branch[]
  readonly conditions: Conditions
  readonly sort: readonly SortKey[]
  readonly limit: number
  /** Of the image after which the page begins, one for each key. */
  readonly markerValues: readonly string[] | undefined
  /** SQL of an image as JSON text. */
  readonly document: (alias: string) => string
  readonly named: boolean
}

/** Named statements read pages of these sizes, and then cut them: so that few texts are enough. */
const NAMED_LIMITS = [25, 50, 100, 250, 500, 1000, 10_000]
const NAMED_KEYS = new Set(['created_at', 'name'])

/** Whether many ask for this order, so that a prepared statement is worth its place. */
export function hasPreparedOrder(sort: readonly SortKey[]): boolean {
  const [first] = sort
  return (
    first !== undefined &&
    NAMED_KEYS.has(first.name) &&
    sort.every((key) => key.direction === first.direction)
  )
}

function branchText(
  { from, where }: Branch,
  { conditions, sort }: PageParts,
  after: readonly string[],
  limit: number
): string {
  const all = [...where, ...conditions.where, ...after]
  return `(SELECT i.* FROM ${from} WHERE ${all.join(' AND ')}
    ORDER BY ${orderBy(sort, 'i')} LIMIT ${limit})`
}

/** The statement of one page: JSON text, number and last id. Undefined when no branch is left. */
export function pageOf(page: PageParts): Statement | undefined {
  const { branches, conditions, sort, limit, markerValues, document, named } = page
  if (branches.length === 0) return undefined
  const placeholders = markerValues?.map((value) => conditions.value(value))
  const after = placeholders === undefined ? [] : [afterMarker(sort, 'i', placeholders)]
  // a literal limit is what makes the planner choose the index that has the order
  const step = named ? (NAMED_LIMITS.find((known) => known >= limit) ?? limit) : limit
  const parts = branches.map((part) => branchText(part, page, after, step))
  const cut = named ? conditions.value(limit) : String(limit)
  const text = `SELECT '[' || coalesce(string_agg(${document('i')}, ','), '') || ']',
      count(*)::integer, (array_agg(${displayId('i')}))[count(*)::integer]
    FROM (SELECT * FROM (${parts.join(' UNION ALL ')}) u
      ORDER BY ${orderBy(sort, 'u')} LIMIT ${cut}) i`
  return { text, values: conditions.values, named }
}
