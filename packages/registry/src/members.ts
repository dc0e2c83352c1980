import { type MemberDocument, type MemberStatus, type RegistryCaller, TankError } from '@tank/model'
import { noteChange } from './changes.ts'
import { type Database, type Executor, run } from './db/database.ts'
import { displayId, shownTime } from './images/document.ts'
import { type LockedImage, lockVisibleImage } from './images/lock.ts'
import { checkImageId, imageNotFound } from './images/show.ts'
import { visibilityValues, visibleById } from './images/visibility.ts'

const DOCUMENT = `jsonb_build_object('member_id', m.member, 'image_id', ${displayId('i')},
  'status', m.status, 'created_at', ${shownTime('m.created_at')},
  'updated_at', ${shownTime('m.updated_at')}, 'schema', '/v2/schemas/member')`

function memberNotFound(): TankError {
  return new TankError('MEMBER_NOT_FOUND', 'The image has no such member.')
}

const LIST = `SELECT (SELECT coalesce(jsonb_agg(${DOCUMENT} ORDER BY m.created_at, m.member), '[]')
    FROM members m WHERE m.image_id = i.id)
  FROM images i
  WHERE i.id = $1 AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}`

/** All members of an image, the oldest first. */
export async function listMembers(
  database: Database,
  caller: RegistryCaller,
  imageId: string
): Promise<MemberDocument[]> {
  const values = [checkImageId(imageId), ...visibilityValues(caller)]
  const [row] = await database.query(LIST, values, true)
  if (row === undefined) throw imageNotFound()
  return row[0] as MemberDocument[]
}

export async function getMember(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  member: string
): Promise<MemberDocument> {
  const members = await listMembers(database, caller, imageId)
  const found = members.find((m) => m.member_id === member)
  if (found === undefined) throw memberNotFound()
  return found
}

const ONE = `SELECT ${DOCUMENT} AS document FROM members m JOIN images i ON i.id = m.image_id
  WHERE m.image_id = $1 AND m.member = $2`

async function renderMember(
  trx: Executor,
  image: LockedImage,
  member: string
): Promise<MemberDocument> {
  const [row] = await run<{ document: MemberDocument }>(trx, ONE, [image.id, member])
  if (row === undefined) throw memberNotFound()
  return row.document
}

const ADD = `INSERT INTO members (image_id, member, status) VALUES ($1, $2, 'pending')
  ON CONFLICT DO NOTHING RETURNING member`
const COUNT = 'SELECT count(*) AS count FROM members WHERE image_id = $1'

export async function countMembers(trx: Executor, imageId: string): Promise<number> {
  const [total] = await run<{ count: number }>(trx, COUNT, [imageId])
  return total?.count ?? 0
}

export function demandRoom(count: number, limit: number | null): void {
  if (limit === null || count <= limit) return
  throw new TankError(
    'LIMIT_EXCEEDED',
    `The limit of members of an image has been exceeded: ${count} of ${limit}.`
  )
}

/** Adds a member, pending; the lock of the image keeps the count exact. */
export function addMember(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  { member, limit = null }: { readonly member: string; readonly limit?: number | null }
): Promise<MemberDocument> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, imageId)
    const [added] = await run(trx, ADD, [image.id, member])
    if (added === undefined) {
      throw new TankError('MEMBER_EXISTS', 'The project is a member of the image already.')
    }
    demandRoom(await countMembers(trx, image.id), limit)
    await noteChange(trx, image.id, 'member.add', caller, { member, status: 'pending' })
    return renderMember(trx, image, member)
  })
}

const SET = `UPDATE members SET status = $3, updated_at = now()
  WHERE image_id = $1 AND member = $2 RETURNING member`

export function setMember(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  member: string,
  status: MemberStatus
): Promise<MemberDocument> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, imageId)
    const [changed] = await run(trx, SET, [image.id, member, status])
    if (changed === undefined) throw memberNotFound()
    await noteChange(trx, image.id, 'member.update', caller, { member, status })
    return renderMember(trx, image, member)
  })
}

const REMOVE = 'DELETE FROM members WHERE image_id = $1 AND member = $2 RETURNING member'

export function removeMember(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  member: string
): Promise<void> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, imageId)
    const [removed] = await run(trx, REMOVE, [image.id, member])
    if (removed === undefined) throw memberNotFound()
    await noteChange(trx, image.id, 'member.remove', caller, { member })
  })
}
