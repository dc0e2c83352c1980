import type { RegistryCaller } from '@tank/model'
import type { Database } from '../db/database.ts'
import { recordText } from '../images/document.ts'
import { type Branch, branchesOf, narrowed } from './branches.ts'
import { Conditions } from './filters.ts'
import { type PageSize, parseLimit } from './list-query.ts'
import { findMarker, type Page, readPage } from './page.ts'
import { hasPreparedOrder, pageOf, type Statement } from './page-statement.ts'
import { parseQueryString } from './query-string.ts'
import { addRecordFilters, readChangesSince, readFlag } from './record-filters.ts'
import { parseSort, type SortKey } from './sort.ts'
import type { Moment } from './values.ts'

/** What a list of records asks for, checked. */
export interface RecordQuery {
  readonly limit: number
  readonly marker: string | undefined
  readonly sort: readonly SortKey[]
  readonly conditions: Conditions
  /** Administrators see as others do, or all that is not public (false), or everything (`none`). */
  readonly isPublic: boolean | 'none'
  /** Of these, deleted and killed images are listed, too. */
  readonly changesSince: Moment | undefined
}

/** Reads the list language of the Image API v1 from a raw query string. */
export function parseRecordQuery(raw: string, pageSize: PageSize): RecordQuery {
  const given = new Map(parseQueryString(raw))
  const since = given.get('changes-since')
  const conditions = new Conditions()
  addRecordFilters(conditions, given)
  const one = (name: string) => [given.get(name)].filter((value) => value !== undefined)
  return {
    limit: parseLimit(given.get('limit'), pageSize),
    marker: given.get('marker'),
    sort: parseSort({ sort: [], sortKeys: one('sort_key'), sortDirections: one('sort_dir') }),
    conditions,
    isPublic: readFlag('is_public', given.get('is_public') ?? 'true'),
    changesSince: since === undefined ? undefined : readChangesSince(since)
  }
}

const EVERYTHING = { visibility: 'all', memberStatus: 'all' } as const
const AS_OTHERS = { visibility: undefined, memberStatus: 'all' } as const

/** Every image that the caller may have in its list, live or not. */
function visibleBranches(caller: RegistryCaller, query: RecordQuery): Branch[] {
  const { conditions, isPublic } = query
  if (caller.scope === 'project' || isPublic === true) {
    return branchesOf({ ...caller, scope: 'project' }, { ...AS_OTHERS, conditions })
  }
  if (isPublic === 'none') return branchesOf(caller, { ...EVERYTHING, conditions })
  return (['private', 'shared', 'community'] as const).flatMap((visibility) =>
    branchesOf(caller, { visibility, memberStatus: 'all', conditions })
  )
}

// in the words of the partial indexes
const SHOWN = [`i.deleted_at IS NULL AND i.status <> 'killed'`, 'NOT i.os_hidden']
const GONE = [`(i.deleted_at IS NOT NULL OR i.status = 'killed')`, 'NOT i.os_hidden']

/** The statement of one page, or undefined when the caller can see nothing of what it asks for. */
export function recordStatement(
  caller: RegistryCaller,
  query: RecordQuery,
  markerValues: readonly string[] | undefined
): Statement | undefined {
  const { changesSince, conditions, sort } = query
  const visible = visibleBranches(caller, query)
  const named = conditions.isEmpty && hasPreparedOrder(sort) && changesSince === undefined
  let branches = visible.map((branch) => narrowed(branch, SHOWN))
  if (changesSince !== undefined) {
    const since = `i.updated_at > ${conditions.value(changesSince.text)}::timestamptz`
    branches = visible.flatMap((branch) => [
      narrowed(branch, [...SHOWN, since]),
      narrowed(branch, [...GONE, since])
    ])
  }
  return pageOf({ ...query, branches, document: recordText, markerValues, named })
}

/**
 * One page of the images that a caller sees, as records, in the list language of v1. Of deleted ones,
 * only administrators see where a page begins.
 */
export async function listRecords(
  database: Database,
  caller: RegistryCaller,
  rawQuery: string,
  pageSize: PageSize
): Promise<Page> {
  const query = parseRecordQuery(rawQuery, pageSize)
  const rows = caller.scope === 'all' ? 'true' : 'i.deleted_at IS NULL'
  const marker = await findMarker(database, caller, query, { rows, named: false })
  const statement = query.limit === 0 ? undefined : recordStatement(caller, query, marker)
  return readPage(database, statement, query.limit)
}
