import type { RegistryCaller, TaskDocument } from '@tank/model'
import type { Database } from '../db/database.ts'
import { displayId, exactTime } from '../images/document.ts'
import { checkImageId, showImage } from '../images/show.ts'

/** Most tasks that an answer has: the latest. */
const MOST = 1000

const TASK = `jsonb_build_object('id', o.id,
  'type', CASE WHEN o.kind = 'location' THEN 'location_import' ELSE 'api_image_import' END,
  'status', CASE o.state WHEN 'running' THEN 'processing' ELSE o.state END,
  'owner', o.caller_project, 'input', coalesce(o.input, '{}'),
  'message', CASE
    WHEN o.state = 'running' AND o.kind <> 'location' THEN 'Copied ' || o.progress / 1048576 || ' MiB'
    WHEN o.state = 'failure' THEN coalesce(o.error, '') ELSE '' END,
  'image_id', (SELECT ${displayId('i')} FROM images i WHERE i.id = o.image_id),
  'request_id', o.request_id, 'user_id', o.caller_user,
  'expires_at', ${exactTime('(o.ended_at + make_interval(secs => $4::float8 / 1000))')},
  'created_at', ${exactTime('o.created_at')}, 'updated_at', ${exactTime('o.updated_at')})`

const LIST = `SELECT ${TASK} FROM operations o
  WHERE o.image_id = $1 AND o.background
    AND ($2::boolean OR o.caller_project = $3::text)
    AND (o.ended_at IS NULL OR o.ended_at + make_interval(secs => $4::float8 / 1000) > now())
  ORDER BY o.created_at, o.id DESC LIMIT ${MOST}`

/** Background work on an image that the caller sees: of the caller's project, administrators' all. */
export async function listTasks(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  keptMs: number
): Promise<TaskDocument[]> {
  await showImage(database, caller, imageId)
  const values = [checkImageId(imageId), caller.scope === 'all', caller.project, keptMs]
  const rows = await database.query(LIST, values)
  return rows.map(([task]) => task as TaskDocument)
}
