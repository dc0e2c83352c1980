import type { Membership, MembershipWish, RegistryCaller, SharedImage } from '@tank/model'
import { noteChange } from './changes.ts'
import { type Database, run } from './db/database.ts'
import { displayId } from './images/document.ts'
import { lockVisibleImage } from './images/lock.ts'
import { checkImageId, imageNotFound } from './images/show.ts'
import { visibilityValues, visibleById } from './images/visibility.ts'
import { countMembers, demandRoom } from './members.ts'

const LIST = `SELECT (SELECT coalesce(jsonb_agg(
      jsonb_build_object('member_id', m.member, 'can_share', m.can_share)
      ORDER BY m.created_at, m.member), '[]')
    FROM members m WHERE m.image_id = i.id)
  FROM images i
  WHERE i.id = $1 AND i.deleted_at IS NULL AND ${visibleById('i', '$2', '$3')}`

/** All members of an image and whether they may share it, the oldest first. */
export async function listMemberships(
  database: Database,
  caller: RegistryCaller,
  imageId: string
): Promise<Membership[]> {
  const values = [checkImageId(imageId), ...visibilityValues(caller)]
  const [row] = await database.query(LIST, values, true)
  if (row === undefined) throw imageNotFound()
  return row[0] as Membership[]
}

/** A member that is there keeps what is not said anew; `xmax` tells whether it was there. */
const PUT = `INSERT INTO members (image_id, member, status, can_share)
  SELECT $1, w.member, 'pending', coalesce(w.can_share, false)
    FROM unnest($2::text[], $3::boolean[]) WITH ORDINALITY AS w (member, can_share, at) ORDER BY w.at
  ON CONFLICT (image_id, member) DO UPDATE
    SET can_share = coalesce(($3::boolean[])[array_position($2::text[], excluded.member)],
        members.can_share), updated_at = now()
  RETURNING member, can_share, (xmax = 0) AS added`

interface Put {
  readonly member: string
  readonly can_share: boolean
  readonly added: boolean
}

function valuesOf(imageId: string, wishes: readonly MembershipWish[]): unknown[] {
  return [
    imageId,
    wishes.map(({ member_id }) => member_id),
    wishes.map(({ can_share }) => can_share ?? null)
  ]
}

/** Adds a member, or says anew whether it may share. There has to be room for one more. */
export function putMembership(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  wish: MembershipWish,
  limit: number | null
): Promise<void> {
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, imageId)
    demandRoom((await countMembers(trx, image.id)) + 1, limit)
    for (const { added, member, can_share } of await run<Put>(
      trx,
      PUT,
      valuesOf(image.id, [wish])
    )) {
      await noteChange(trx, image.id, added ? 'member.add' : 'member.update', caller, {
        member,
        can_share
      })
    }
  })
}

const REMOVE_OTHERS = `DELETE FROM members WHERE image_id = $1 AND member <> ALL($2::text[])
  RETURNING member`

/** Makes these the members of an image, and no others, in one transaction. */
export function replaceMemberships(
  database: Database,
  caller: RegistryCaller,
  imageId: string,
  wishes: readonly MembershipWish[],
  limit: number | null
): Promise<void> {
  // of a member that is named twice the last one counts
  const distinct = [...new Map(wishes.map((wish) => [wish.member_id, wish])).values()]
  return database.transaction(async (trx) => {
    const image = await lockVisibleImage(trx, caller, imageId)
    demandRoom(wishes.length, limit)
    const values = valuesOf(image.id, distinct)
    const removed = await run<{ member: string }>(trx, REMOVE_OTHERS, values.slice(0, 2))
    const put = await run<Put>(trx, PUT, values)
    await noteChange(trx, image.id, 'member.replace', caller, {
      members: put.map(({ member, can_share }) => ({ member, can_share })),
      removed: removed.map(({ member }) => member)
    })
  })
}

const SHARED = `SELECT ${displayId('i')}, m.can_share FROM members m JOIN images i ON i.id = m.image_id
  WHERE m.member = $1 AND i.deleted_at IS NULL AND ($2 OR i.owner = $3 OR (m.member = $3 AND i.visibility <> 'private'))
  ORDER BY m.created_at, i.id LIMIT 10000`

/** The images that a member has got, as far as they are the caller's or the caller is the member. */
export async function listSharedImages(
  database: Database,
  caller: RegistryCaller,
  member: string
): Promise<SharedImage[]> {
  const values = [member, caller.scope === 'all', caller.project]
  const rows = await database.query(SHARED, values)
  return rows.map(([id, canShare]) => ({ image_id: String(id), can_share: canShare === true }))
}
