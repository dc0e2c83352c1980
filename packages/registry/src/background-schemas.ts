import type { Job } from '@tank/model'
import { Type } from 'typebox'
import {
  BLOB_FACTS,
  Bytes,
  FoundDataSchema,
  HashValue,
  ImageStatus,
  ImportedFieldsSchema,
  nullable,
  oneOf,
  PlacementSchema,
  Reason,
  ShownBlobSchema,
  strict,
  Token,
  Uuid
} from './schemas.ts'

const Kind = oneOf(['copy', 'location', 'import'])
const Stores = Type.Array(Token, { maxItems: 1000 })
const Input = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  additionalProperties: true,
  description: 'What was asked for; tasks show it'
})
const text = nullable(Type.String())

export const EnqueueOperationSchema = Type.Object(
  {
    id: Uuid,
    kind: Kind,
    image_id: Uuid,
    from: Type.Array(ImageStatus, { minItems: 1 }),
    to: nullable(oneOf(['importing', 'saving'])),
    fallback: oneOf(['queued', 'active', 'killed']),
    stores: Type.Array(Token, { minItems: 1, maxItems: 1000 }),
    must_succeed: Type.Boolean(),
    input: Input,
    location: nullable(Type.Object({ blob_id: Uuid, placement: PlacementSchema }, strict)),
    outside: Type.Optional(
      Type.Object(
        { blob_id: Uuid, store: Token },
        {
          ...strict,
          description:
            'Only of kind `import`: the blob that data from outside becomes, and the store that reads it; without it the staged data of the image is taken'
        }
      )
    ),
    change: Type.Optional(
      Type.Object(
        { version: Type.String({ pattern: '^[0-9]{1,15}$' }), fields: ImportedFieldsSchema },
        {
          ...strict,
          description:
            'Only of kind `import`: what the image becomes along with it, if it still has this version, as its `ETag` says it'
        }
      )
    ),
    failure: Type.Optional(Reason)
  },
  strict
)

export const ClaimOperationSchema = Type.Object(
  {
    worker: Type.String({ minLength: 1, maxLength: 1024 }),
    attempt: Token,
    kinds: Type.Array(Kind, { minItems: 1, maxItems: 16 }),
    stores: Stores
  },
  strict
)

const JOB = Type.Object({
  id: Uuid,
  kind: Kind,
  image_id: Uuid,
  tries: Type.Integer(),
  must_succeed: Type.Boolean(),
  targets: Type.Array(
    Type.Object({ store: Token, state: oneOf(['waiting', 'writing', 'stored', 'failed']) })
  ),
  input: Input,
  placement: nullable(PlacementSchema),
  source: nullable(Type.Object({ blob: ShownBlobSchema, placements: Type.Array(PlacementSchema) })),
  project: text,
  user: text,
  request_id: text,
  lease_ms: Type.Integer(),
  heartbeat_ms: Type.Integer()
})
export const JobSchema = Type.Unsafe<Job>(JOB)

export const BeginTargetSchema = Type.Object({ attempt: Token, placement: PlacementSchema }, strict)
export const TargetStoredSchema = Type.Object(
  { attempt: Token, placement_id: Uuid, blob: Type.Object(BLOB_FACTS, strict) },
  strict
)
export const TargetFailedSchema = Type.Object(
  { attempt: Token, store: Token, reason: Reason },
  strict
)
export const ActivateLocationSchema = Type.Object(
  {
    attempt: Token,
    size: Bytes,
    os_hash_algo: nullable(Type.String({ minLength: 1, maxLength: 64 })),
    os_hash_value: nullable(HashValue)
  },
  strict
)
export const CompleteSchema = Type.Object(
  { attempt: Token, found: Type.Optional(FoundDataSchema) },
  strict
)

export const TaskSchema = Type.Object({
  id: Uuid,
  type: oneOf(['import', 'api_image_import', 'location_import']),
  status: oneOf(['pending', 'processing', 'success', 'failure']),
  owner: text,
  input: Input,
  message: Type.String(),
  image_id: Uuid,
  request_id: text,
  user_id: text,
  expires_at: text,
  created_at: Type.String(),
  updated_at: Type.String()
})
