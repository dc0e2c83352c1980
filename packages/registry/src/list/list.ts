import type { RegistryCaller } from '@tank/model'
import type { Database } from '../db/database.ts'
import { documentText } from '../images/document.ts'
import { branchesOf, narrowed } from './branches.ts'
import { type ListQuery, type PageSize, parseListQuery } from './list-query.ts'
import { findMarker, type Page, readPage } from './page.ts'
import { hasPreparedOrder, pageOf, type Statement } from './page-statement.ts'

const LIVE = 'i.deleted_at IS NULL'
const SHOWN = `${LIVE} AND i.status <> 'killed'`

function isNameable({ conditions, hidden, sort }: ListQuery): boolean {
  return conditions.isEmpty && !hidden && hasPreparedOrder(sort)
}

/** The statement of one page, or undefined when the caller can see nothing of what it asks for. */
export function pageStatement(
  caller: RegistryCaller,
  query: ListQuery,
  markerValues: readonly string[] | undefined
): Statement | undefined {
  const rows = [SHOWN, query.hidden ? 'i.os_hidden' : 'NOT i.os_hidden']
  return pageOf({
    ...query,
    branches: branchesOf(caller, query).map((branch) => narrowed(branch, rows)),
    document: documentText,
    markerValues,
    named: isNameable(query)
  })
}

/** One page of the images that a caller sees, in the list language of the Image API v2. */
export async function listImages(
  database: Database,
  caller: RegistryCaller,
  rawQuery: string,
  pageSize: PageSize
): Promise<Page> {
  const query = parseListQuery(rawQuery, pageSize)
  const { sort, limit } = query
  const named = sort.length <= 3 && sort.at(-2)?.name === 'created_at'
  const marker = await findMarker(database, caller, query, { rows: LIVE, named })
  const statement = limit === 0 ? undefined : pageStatement(caller, query, marker)
  return readPage(database, statement, limit)
}
