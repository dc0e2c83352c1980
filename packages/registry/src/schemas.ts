import {
  CONTAINER_FORMATS,
  DISK_FORMATS,
  IMAGE_STATUSES,
  type ImageLocations,
  LIMITS,
  type LocationMetadata,
  MEMBER_STATUSES,
  VISIBILITIES,
  WRITTEN_DISK_FORMATS
} from '@tank/model'
import { type TSchema, Type } from 'typebox'

export const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()])

export const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] })

export const strict = { additionalProperties: false } as const

export const Uuid = Type.String({
  pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$'
})
export const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Md5 = Type.String({ pattern: '^[0-9a-f]{32}$' })
export const HashValue = Type.String({ pattern: '^[0-9a-f]{1,128}$' })
export const Token = Type.String({ minLength: 1, maxLength: 255 })
export const Reason = Type.String({ maxLength: 4096 })
export const MemberId = Type.String({ minLength: 1, maxLength: LIMITS.memberLength })
export const ImageStatus = oneOf(IMAGE_STATUSES)

const FIELDS = {
  name: Type.Optional(nullable(Type.String({ maxLength: LIMITS.nameLength }))),
  visibility: Type.Optional(oneOf(VISIBILITIES)),
  protected: Type.Optional(Type.Boolean()),
  os_hidden: Type.Optional(Type.Boolean()),
  owner: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: LIMITS.ownerLength }))),
  container_format: Type.Optional(nullable(oneOf(CONTAINER_FORMATS))),
  disk_format: Type.Optional(nullable(oneOf(WRITTEN_DISK_FORMATS))),
  min_disk: Type.Optional(Type.Integer({ minimum: 0, maximum: LIMITS.minDisk })),
  min_ram: Type.Optional(Type.Integer({ minimum: 0, maximum: LIMITS.minRam })),
  tags: Type.Optional(Type.Array(Type.String({ maxLength: LIMITS.tagLength }))),
  properties: Type.Optional(
    Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Custom properties: names of 1 to 255 characters, values up to 65535 bytes'
    })
  )
}

const { container_format, disk_format, properties } = FIELDS
/** What an image takes over from the one that its data comes from. */
export const ImportedFieldsSchema = Type.Object(
  { container_format, disk_format, properties },
  strict
)

/** What the data of a queued image is said to be, before there is any. */
const Announced = Type.Optional(
  Type.Object(
    { size: Type.Optional(nullable(Bytes)), checksum: Type.Optional(nullable(Md5)) },
    {
      ...strict,
      description: 'Of data that is still to come; who uploads it holds it against this'
    }
  )
)

export const CreateImageSchema = Type.Object(
  { id: Uuid, create_token: Token, announced: Announced, ...FIELDS },
  strict
)

const time = (description: string) => Type.String({ description })

/** Shown only: the bytes of a document are made by the database. */
export const ImageDocumentSchema = Type.Object(
  {
    id: Uuid,
    name: nullable(Type.String()),
    status: ImageStatus,
    visibility: oneOf(VISIBILITIES),
    protected: Type.Boolean(),
    os_hidden: Type.Boolean(),
    owner: nullable(Type.String()),
    tags: Type.Array(Type.String()),
    container_format: nullable(oneOf(CONTAINER_FORMATS)),
    disk_format: nullable(oneOf(WRITTEN_DISK_FORMATS)),
    min_disk: Type.Integer(),
    min_ram: Type.Integer(),
    size: nullable(Bytes),
    virtual_size: nullable(Bytes),
    checksum: nullable(Md5),
    os_hash_algo: nullable(Type.String()),
    os_hash_value: nullable(HashValue),
    created_at: time('UTC with whole seconds, `YYYY-MM-DDTHH:MM:SSZ`'),
    updated_at: time('UTC with whole seconds, `YYYY-MM-DDTHH:MM:SSZ`'),
    self: Type.String(),
    file: Type.String(),
    schema: Type.String(),
    stores: Type.Optional(Type.String())
  },
  {
    additionalProperties: { type: 'string' },
    description: 'An image as the Image API v2 shows it; further keys are custom properties'
  }
)

export const BLOB_FACTS = {
  size: Bytes,
  sha256: Sha256,
  md5: nullable(Md5),
  os_hash_algo: nullable(Type.String({ minLength: 1, maxLength: 64 })),
  os_hash_value: nullable(HashValue),
  virtual_size: nullable(Bytes),
  format: nullable(Type.String({ minLength: 1, maxLength: 64 }))
}

const Metadata = Type.Unsafe<LocationMetadata>({ type: 'object' })

export const PlacementSchema = Type.Object(
  {
    id: Uuid,
    store: Token,
    key: Type.String({ minLength: 1, maxLength: 4096 }),
    role: oneOf(['data', 'staged', 'variant', 'external']),
    weight: Type.Optional(
      Type.Integer({
        description: 'Heavier stores come first in `stores` of the image; only given, never shown',
        minimum: -2147483648,
        maximum: 2147483647
      })
    ),
    metadata: Type.Optional(Metadata)
  },
  strict
)

/** What a patch does to the locations of an image. */
const LocationsUpdateSchema = Type.Object(
  {
    add: Type.Array(PlacementSchema, { maxItems: 1000 }),
    remove: Type.Array(Uuid, { maxItems: 1000 }),
    describe: Type.Array(Type.Object({ id: Uuid, metadata: Metadata }, strict), {
      maxItems: 1000
    }),
    data: nullable(
      Type.Object(
        {
          blob_id: Uuid,
          size: Bytes,
          md5: nullable(Md5),
          os_hash_algo: nullable(Type.String({ minLength: 1, maxLength: 64 })),
          os_hash_value: nullable(HashValue)
        },
        strict
      )
    )
  },
  { ...strict, description: 'Of outside locations; all of it happens, or nothing' }
)

export const UpdateImageSchema = Type.Object(
  { ...FIELDS, announced: Announced, locations: Type.Optional(LocationsUpdateSchema) },
  strict
)

export const ImageLocationsSchema = Type.Unsafe<ImageLocations>(
  Type.Object({ id: Uuid, placements: Type.Array(PlacementSchema) })
)

export const ShownBlobSchema = Type.Object({
  ...BLOB_FACTS,
  sha256: nullable(Sha256),
  id: Uuid,
  completed_at: time('RFC 3339, UTC')
})

export const ImageDataSchema = Type.Object({
  id: Uuid,
  status: ImageStatus,
  visibility: oneOf(VISIBILITIES),
  owner: nullable(Type.String()),
  updated_at: time('RFC 3339, UTC'),
  blob: nullable(ShownBlobSchema),
  placements: Type.Array(PlacementSchema)
})

const OperationKind = oneOf(['upload', 'stage', 'import', 'copy', 'location', 'convert', 'delete'])
export const OperationState = oneOf(['pending', 'running', 'success', 'failure'])

export const BeginOperationSchema = Type.Object(
  {
    id: Uuid,
    attempt: Token,
    kind: OperationKind,
    image_id: Uuid,
    from: Type.Array(ImageStatus, { minItems: 1 }),
    to: nullable(oneOf(['saving', 'uploading', 'importing'])),
    fallback: oneOf(['queued', 'uploading', 'active', 'deactivated', 'killed']),
    worker: Type.String({ minLength: 1, maxLength: 1024 }),
    blob_id: Uuid,
    placement: PlacementSchema,
    reserve: nullable(Bytes)
  },
  strict
)

export const LeaseSchema = Type.Object({
  lease_ms: Type.Integer({ description: 'Until the operation is taken away from its worker' }),
  heartbeat_ms: Type.Integer({ description: 'Until the next heartbeat is due' })
})

export const HeartbeatSchema = Type.Object({ attempt: Token, progress: Bytes }, strict)
const Format = nullable(Type.String({ minLength: 1, maxLength: 64 }))
export const FoundDataSchema = Type.Object(
  {
    declared: Type.Object(
      { disk_format: Format, container_format: Format },
      { ...strict, description: 'By what the bytes were judged' }
    ),
    disk_format: nullable(oneOf(DISK_FORMATS)),
    format: Format,
    verdict: nullable(oneOf(['safe', 'unsafe'])),
    virtual_size: nullable(Bytes),
    properties: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      maxProperties: 1000,
      description: 'Custom properties that the image gets where it has none of that name'
    }),
    properties_limit: nullable(Type.Integer({ minimum: 0 }))
  },
  { ...strict, description: 'What the bytes turned out to be' }
)
export const FinishOperationSchema = Type.Object(
  {
    attempt: Token,
    status: oneOf(['active', 'uploading', 'importing', 'queued', 'deactivated']),
    blob: Type.Object(BLOB_FACTS, strict),
    keep_seconds: Type.Optional(
      Type.Number({
        description: 'Only of staged data: how long it waits for its import; else for ever',
        minimum: 0,
        maximum: 1_000_000_000
      })
    ),
    found: Type.Optional(FoundDataSchema)
  },
  strict
)
export const AbandonOperationSchema = Type.Object(
  {
    attempt: Token,
    reason: Reason,
    again: Type.Optional(Type.Boolean()),
    kept: Type.Optional(
      Type.Boolean({ description: 'What was written may still lie in its store, and counts' })
    )
  },
  strict
)
export const ReleaseSchema = Type.Object({ worker_prefix: Token }, strict)

export const OperationDocumentSchema = Type.Object({
  id: Uuid,
  kind: OperationKind,
  image_id: Uuid,
  state: OperationState,
  worker: nullable(Type.String()),
  lease_until: nullable(Type.String()),
  progress: Bytes,
  error: nullable(Type.String()),
  request_id: nullable(Type.String()),
  created_at: Type.String(),
  updated_at: Type.String()
})

export const MemberDocumentSchema = Type.Object({
  member_id: MemberId,
  image_id: Uuid,
  status: oneOf(MEMBER_STATUSES),
  created_at: Type.String(),
  updated_at: Type.String(),
  schema: Type.String()
})
export const AddMemberSchema = Type.Object(
  { member: MemberId, limit: Type.Optional(nullable(Type.Integer({ minimum: 0 }))) },
  strict
)
export const SetMemberSchema = Type.Object({ status: oneOf(MEMBER_STATUSES) }, strict)

export const ClaimGarbageSchema = Type.Object(
  {
    stores: Type.Array(Token, { maxItems: 1000 }),
    limit: Type.Integer({ minimum: 1, maximum: 1000 })
  },
  strict
)
export const GarbagePlacementSchema = Type.Object({
  id: Uuid,
  store: Token,
  key: Type.String(),
  claim: Uuid
})
export const GarbageDeletedSchema = Type.Object({ claim: Uuid }, strict)
export const StoredPlacementSchema = Type.Object(
  {
    id: Uuid,
    store: Type.String(),
    key: Type.String(),
    role: oneOf(['data', 'staged', 'variant', 'external']),
    size: nullable(Bytes),
    digests: Type.Record(Type.String(), Type.String(), {
      description: 'hexadecimal, by algorithm, as far as they are known'
    }),
    images: Type.Array(Type.String(), { description: 'some of the images that have these bytes' })
  },
  strict
)

/** A deletion that waits. */
export const PendingDeleteSchema = Type.Object(
  {
    id: Uuid,
    name: nullable(Type.String()),
    owner: nullable(Type.String()),
    size: Bytes,
    deleted_at: time('RFC 3339, UTC, with microseconds'),
    due_at: time('when it is deleted for good; RFC 3339, UTC')
  },
  strict
)

export const GarbageCountSchema = Type.Object({
  store: Token,
  placements: Type.Integer(),
  bytes: Bytes
})

export const UsageSchema = Type.Object({
  project: Type.String(),
  images: Type.Integer(),
  stored_bytes: Bytes,
  reserved_bytes: Bytes,
  staged_bytes: Bytes,
  uploads: Type.Integer(),
  limits: Type.Object(
    {
      images: nullable(Type.Integer()),
      bytes: nullable(Bytes),
      staged: nullable(Bytes),
      uploads: nullable(Type.Integer())
    },
    { description: 'Most that a project may have; null is unlimited' }
  )
})

export const ChangeSchema = Type.Object({
  cursor: Type.String(),
  image_id: Uuid,
  type: Type.String(),
  actor: nullable(Type.String()),
  project: nullable(Type.String()),
  request_id: nullable(Type.String()),
  at: Type.String(),
  detail: Type.Object({}, { additionalProperties: true })
})
