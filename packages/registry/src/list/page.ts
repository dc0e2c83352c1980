import { isUuid, type RegistryCaller } from '@tank/model'
import type { Database } from '../db/database.ts'
import { visibilityValues, visibleById } from '../images/visibility.ts'
import type { Statement } from './page-statement.ts'
import { invalidQuery } from './query-string.ts'
import { keySql, type SortKey } from './sort.ts'

export interface Page {
  /** A JSON array of documents. */
  readonly body: string
  /** Id of the last image, when there may be more. */
  readonly nextMarker: string | undefined
}

interface Beginning {
  readonly marker: string | undefined
  readonly sort: readonly SortKey[]
}

/** Where the page begins: at an image of these rows that the caller sees; its values of the keys. */
export async function findMarker(
  database: Database,
  caller: RegistryCaller,
  { marker, sort }: Beginning,
  { rows, named }: { readonly rows: string; readonly named: boolean }
): Promise<string[] | undefined> {
  if (marker === undefined) return undefined
  const keys = sort.map((key) => `${keySql(key, 'i')}::text`)
  const text = `SELECT ${keys.join(', ')} FROM images i
    WHERE i.id = $1 AND ${rows} AND ${visibleById('i', '$2', '$3')}`
  const values = [marker, ...visibilityValues(caller)]
  const [row] = isUuid(marker) ? await database.query(text, values, named) : []
  if (row === undefined) throw invalidQuery('The marker is not the id of an image.')
  return row.map(String)
}

/** Reads one page of at most so many images; without a statement there is nothing to see. */
export async function readPage(
  database: Database,
  statement: Statement | undefined,
  limit: number
): Promise<Page> {
  if (statement === undefined) return { body: '[]', nextMarker: undefined }
  const [row] = await database.query(statement.text, statement.values, statement.named)
  const [body, count, last] = row ?? ['[]', 0, null]
  return { body: String(body), nextMarker: count === limit ? String(last) : undefined }
}
