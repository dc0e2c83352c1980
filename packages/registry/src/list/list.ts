import { isUuid, type RegistryCaller } from '@tank/model'
import type { Database } from '../db/database.ts'
import { displayId, documentText } from '../images/document.ts'
import { visibilityValues, visibleById } from '../images/visibility.ts'
import { type Branch, branchesOf } from './branches.ts'
import { type ListQuery, type PageSize, parseListQuery } from './list-query.ts'
import { invalidQuery } from './query-string.ts'
import { afterMarker, keySql, orderBy } from './sort.ts'

export interface Page {
  /** A JSON array of documents. */
  readonly body: string
  /** Id of the last image, when there may be more. */
  readonly nextMarker: string | undefined
}

/** A statement as it goes to PostgreSQL. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
  /** The text does not vary with what a user asks for, so it is worth a prepared plan. */
  readonly named: boolean
}

/** Named statements read pages of these sizes, and then cut them: so that few texts are enough. */
const NAMED_LIMITS = [25, 50, 100, 250, 500, 1000, 10_000]
const NAMED_KEYS = new Set(['created_at', 'name'])

function isNameable(query: ListQuery): boolean {
  const [first] = query.sort
  return (
    query.conditions.isEmpty &&
    !query.hidden &&
    first !== undefined &&
    NAMED_KEYS.has(first.name) &&
    query.sort.every((key) => key.direction === first.direction)
  )
}

function branchText(
  { from, where }: Branch,
  query: ListQuery,
  after: readonly string[],
  limit: number
): string {
  const all = [
    ...where,
    `i.deleted_at IS NULL AND i.status <> 'killed'`,
    query.hidden ? 'i.os_hidden' : 'NOT i.os_hidden',
    ...query.conditions.where,
    ...after
  ]
  return `(SELECT i.* FROM ${from} WHERE ${all.join(' AND ')}
    ORDER BY ${orderBy(query.sort, 'i')} LIMIT ${limit})`
}

/** The statement of one page, or undefined when the caller can see nothing of what it asks for. */
export function pageStatement(
  caller: RegistryCaller,
  query: ListQuery,
  markerValues: readonly string[] | undefined
): Statement | undefined {
  const { conditions, sort, limit } = query
  const named = isNameable(query)
  const branches = branchesOf(caller, query)
  if (branches.length === 0) return undefined
  const after =
    markerValues === undefined
      ? []
      : [
          afterMarker(
            sort,
            'i',
            markerValues.map((value) => conditions.value(value))
          )
        ]
  // a literal limit is what makes the planner choose the index that has the order
  const step = named ? (NAMED_LIMITS.find((known) => known >= limit) ?? limit) : limit
  const parts = branches.map((part) => branchText(part, query, after, step))
  const cut = named ? conditions.value(limit) : String(limit)
  const text = `SELECT '[' || coalesce(string_agg(${documentText('i')}, ','), '') || ']',
      count(*)::integer, (array_agg(${displayId('i')}))[count(*)::integer]
    FROM (SELECT * FROM (${parts.join(' UNION ALL ')}) u
      ORDER BY ${orderBy(sort, 'u')} LIMIT ${cut}) i`
  return { text, values: conditions.values, named }
}

async function findMarker(
  database: Database,
  caller: RegistryCaller,
  { marker, sort }: ListQuery
): Promise<string[] | undefined> {
  if (marker === undefined) return undefined
  const keys = sort.map((key) => `${keySql(key, 'i')}::text`)
  const text = `SELECT ${keys.join(', ')} FROM images i
    WHERE i.id = $1 AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}`
  const values = [marker, ...visibilityValues(caller)]
  const named = sort.length <= 3 && sort.at(-2)?.name === 'created_at'
  const [row] = isUuid(marker) ? await database.query(text, values, named) : []
  if (row === undefined) throw invalidQuery('The marker is not the id of an image.')
  return row.map(String)
}

/** One page of the images that a caller sees, in the list language of the Image API v2. */
export async function listImages(
  database: Database,
  caller: RegistryCaller,
  rawQuery: string,
  pageSize: PageSize
): Promise<Page> {
  const query = parseListQuery(rawQuery, pageSize)
  const marker = await findMarker(database, caller, query)
  const statement = query.limit === 0 ? undefined : pageStatement(caller, query, marker)
  if (statement === undefined) return { body: '[]', nextMarker: undefined }
  const [row] = await database.query(statement.text, statement.values, statement.named)
  const [body, count, last] = row ?? ['[]', 0, null]
  return {
    body: String(body),
    nextMarker: count === query.limit ? String(last) : undefined
  }
}
