import { Type } from 'typebox'
import { Bytes, ImageDocumentSchema, MemberId, nullable, strict, Uuid } from './schemas.ts'

const {
  self: _self,
  file: _file,
  schema: _schema,
  stores: _stores,
  ...SHARED
} = ImageDocumentSchema.properties

const time = Type.String({ description: 'RFC 3339, UTC, with microseconds' })

/** Shown only: the bytes of a record are made by the database. */
export const ImageRecordSchema = Type.Object(
  {
    ...SHARED,
    created_at: time,
    updated_at: time,
    deleted_at: nullable(time),
    announced_size: nullable(Bytes),
    announced_checksum: nullable(Type.String()),
    properties: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' }
    }),
    version: Type.Integer()
  },
  { description: 'An image with its custom properties apart, which may be deleted' }
)

export const MembershipSchema = Type.Object({ member_id: MemberId, can_share: Type.Boolean() })
export const SharedImageSchema = Type.Object({ image_id: Uuid, can_share: Type.Boolean() })

const canShare = Type.Optional(Type.Boolean())
const limit = Type.Optional(nullable(Type.Integer({ minimum: 0 })))
export const PutMembershipSchema = Type.Object({ can_share: canShare, limit }, strict)
export const ReplaceMembershipsSchema = Type.Object(
  {
    members: Type.Array(Type.Object({ member_id: MemberId, can_share: canShare }, strict), {
      maxItems: 10_000
    }),
    limit
  },
  strict
)
