import { isUuid, type RegistryCaller, TankError, type TaskDocument } from '@tank/model'
import type { Database } from '../db/database.ts'
import { displayId, exactTime } from '../images/document.ts'
import { checkImageId, showImage } from '../images/show.ts'
import type { PageSize } from '../list/list-query.ts'
import { afterRow, type PageQuery, pageEnd, parsePageQuery } from '../list/page-query.ts'
import { invalidQuery } from '../list/query-string.ts'

/** Most tasks that an answer about one image has: the latest. */
const MOST = 1000

/** Placeholders: $1 sees all, $2 project, $3 how long tasks are kept. */
const EXPIRES = '(o.ended_at + make_interval(secs => $3::float8 / 1000))'
const TYPE = `CASE WHEN o.kind = 'location' THEN 'location_import'
  WHEN o.input ? 'import_from' THEN 'import' ELSE 'api_image_import' END`
const STATUS = `CASE o.state WHEN 'running' THEN 'processing' ELSE o.state END`

const TASK = `jsonb_build_object('id', o.id, 'type', ${TYPE}, 'status', ${STATUS},
  'owner', o.caller_project, 'input', coalesce(o.input, '{}'),
  'message', CASE
    WHEN o.state = 'running' AND o.kind <> 'location' THEN 'Copied ' || o.progress / 1048576 || ' MiB'
    WHEN o.state = 'failure' THEN coalesce(o.error, '') ELSE '' END,
  'image_id', (SELECT ${displayId('i')} FROM images i WHERE i.id = o.image_id),
  'request_id', o.request_id, 'user_id', o.caller_user,
  'expires_at', ${exactTime(EXPIRES)},
  'created_at', ${exactTime('o.created_at')}, 'updated_at', ${exactTime('o.updated_at')})`

const SEEN = `o.background AND ($1::boolean OR o.caller_project = $2::text)
  AND (o.ended_at IS NULL OR ${EXPIRES} > now())`

const OF_IMAGE = `SELECT ${TASK} FROM operations o WHERE o.image_id = $4 AND ${SEEN}
  ORDER BY o.created_at, o.id DESC LIMIT ${MOST}`

function seenBy(caller: RegistryCaller, keptMs: number): unknown[] {
  return [caller.scope === 'all', caller.project, keptMs]
}

/** Background work on an image that the caller sees: of the caller's project, administrators' all. */
export async function listImageTasks(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  keptMs: number
): Promise<TaskDocument[]> {
  await showImage(database, caller, imageId)
  const rows = await database.query(OF_IMAGE, [...seenBy(caller, keptMs), checkImageId(imageId)])
  return rows.map(([task]) => task as TaskDocument)
}

const ONE = `SELECT ${TASK} FROM operations o WHERE o.id = $4 AND ${SEEN}`

async function findTask(
  database: Database,
  caller: RegistryCaller,
  id: string,
  keptMs: number
): Promise<TaskDocument | undefined> {
  if (!isUuid(id)) return undefined
  const [row] = await database.query(ONE, [...seenBy(caller, keptMs), id])
  return row?.[0] as TaskDocument | undefined
}

/** One task, of the caller's project or, for administrators, of any. */
export async function showTask(
  database: Database,
  caller: RegistryCaller,
  id: string,
  keptMs: number
): Promise<TaskDocument> {
  const task = await findTask(database, caller, id, keptMs)
  if (task === undefined)
    throw new TankError('OPERATION_NOT_FOUND', 'No task with this id was found.')
  return task
}

const KEYS = {
  created_at: 'o.created_at',
  updated_at: 'o.updated_at',
  expires_at: `coalesce(${EXPIRES}, 'infinity')`,
  id: 'o.id',
  status: `(${STATUS})`,
  type: `(${TYPE})`
} as const
type Key = keyof typeof KEYS

const STATUSES = ['pending', 'processing', 'success', 'failure'] as const

function pageText(query: PageQuery<Key>): string {
  const key = KEYS[query.key]
  const after = afterRow(
    query,
    key,
    'o.id',
    `SELECT ${key}, o.id FROM operations o WHERE o.id = $6`
  )
  return `SELECT ${TASK} FROM operations o WHERE ${SEEN}
    AND ($4::text IS NULL OR ${STATUS} = $4) AND ($5::text IS NULL OR ${TYPE} = $5)
    AND ($6::uuid IS NULL OR ${after})
    ${pageEnd(query, key, 'o.id')}`
}

export interface TaskListOptions {
  readonly keptMs: number
  readonly pageSize: PageSize
}

/** One page of tasks, in the list language of the Image API v2 (TK4, TK5). */
export async function listTasks(
  database: Database,
  caller: RegistryCaller,
  rawQuery: string,
  { keptMs, pageSize }: TaskListOptions
): Promise<{ tasks: TaskDocument[]; next: string | null }> {
  const query = parsePageQuery(rawQuery, Object.keys(KEYS) as Key[], pageSize)
  const { limit, marker } = query
  const status = query.word('status', STATUSES)
  const type = query.word('type', ['import'])
  if (marker !== undefined && (await findTask(database, caller, marker, keptMs)) === undefined) {
    throw invalidQuery('The marker is not the id of a task.')
  }
  const values = [...seenBy(caller, keptMs), status ?? null, type ?? null, marker ?? null]
  const rows = limit === 0 ? [] : await database.query(pageText(query), values)
  const tasks = rows.slice(0, limit).map(([task]) => task as TaskDocument)
  return { tasks, next: rows.length > limit ? (tasks.at(-1)?.id ?? null) : null }
}
