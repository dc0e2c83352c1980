import type { ClosedVisibility, DiskFormat, ImageFields, ImageStatus, Visibility } from './image.ts'

/**
 * On whose behalf the API calls the registry. It travels in the headers `tank-project`, `tank-user`
 * (percent-encoded), `tank-scope`, `tank-sees` (words between commas) and `x-openstack-request-id`.
 */
export interface RegistryCaller {
  readonly project: string | null
  readonly user: string | null
  /** `all`: an administrator, sees every image. `project`: sees what the project may see. */
  readonly scope: 'all' | 'project'
  /** Of images that are so, the caller sees every one, whosever it is; needs no scope `all`. */
  readonly sees?: readonly ClosedVisibility[]
  readonly requestId: string
}

/** Body of `POST /v1/images`. */
export interface CreateImage extends ImageFields {
  readonly id: string
  /** Made by the API for this one creation: a repeated call with the same token is the same creation. */
  readonly create_token: string
  readonly announced?: AnnouncedData
}

/** What the data of a queued image is said to be, before there is any; null is nothing. */
export interface AnnouncedData {
  /** bytes */
  readonly size?: number | null
  /** MD5, lower-case hexadecimal */
  readonly checksum?: string | null
}

/** Role of a placement: what its bytes are for. */
export type PlacementRole = 'data' | 'staged' | 'variant' | 'external'

/** Where the bytes of a blob lie. */
export interface Placement {
  readonly id: string
  readonly store: string
  readonly key: string
  readonly role: PlacementRole
  /** Given when the placement is made: heavier stores come first in an image's `stores`; 0 unless told. */
  readonly weight?: number
  /** Only of outside locations: what was said about them; absent when that is nothing. */
  readonly metadata?: LocationMetadata
}

/** Any JSON object. */
export type LocationMetadata = Readonly<Record<string, unknown>>

/** What a patch does to the locations of an image, all or nothing. */
export interface LocationsUpdate {
  /** Outside locations, role `external`. */
  readonly add: readonly Placement[]
  /** Ids of placements. One location at least has to be left. */
  readonly remove: readonly string[]
  readonly describe: readonly { readonly id: string; readonly metadata: LocationMetadata }[]
  /** What the data at the first location of a queued image is; null for images that have data. */
  readonly data: OutsideData | null
}

/** Data that lies outside, as far as it is known without reading it. */
export interface OutsideData {
  readonly blob_id: string
  /** bytes */
  readonly size: number
  readonly md5: string | null
  readonly os_hash_algo: string | null
  readonly os_hash_value: string | null
}

/** Body of `PATCH /v1/images/{id}`. */
export interface UpdateImage extends ImageFields {
  readonly announced?: AnnouncedData
  readonly locations?: LocationsUpdate
}

/** Where the data of one image lies: one of the answer of `POST /v1/images/locations`. */
export interface ImageLocations {
  readonly id: string
  /** As in `ImageData`. */
  readonly placements: readonly Placement[]
}

/** Facts about one immutable sequence of bytes. Digests are lower-case hexadecimal. */
export interface BlobFacts {
  /** bytes */
  readonly size: number
  readonly sha256: string
  readonly md5: string | null
  readonly os_hash_algo: string | null
  readonly os_hash_value: string | null
  /** bytes */
  readonly virtual_size: number | null
  readonly format: string | null
}

/** What the bytes of an image turned out to be. It is told along with what makes the image usable. */
export interface FoundData {
  /** By what the bytes were judged. Where the image says something else by now, they are not taken. */
  readonly declared: {
    readonly disk_format: string | null
    readonly container_format: string | null
  }
  /** What the image's `disk_format` becomes. */
  readonly disk_format: DiskFormat | null
  /** The true format of the bytes; null when nobody looked. */
  readonly format: string | null
  /** What was made of them; null when nobody looked. */
  readonly verdict: 'safe' | 'unsafe' | null
  /** bytes; what is shown of the disk inside */
  readonly virtual_size: number | null
  /** Custom properties that the image gets where it has none of that name. */
  readonly properties: Readonly<Record<string, string>>
  /** Most custom properties of an image, null: no limit. What is over it is left out. */
  readonly properties_limit: number | null
}

/** A blob that images show. Data at an outside location may have no sha256, or not yet. */
export type ShownBlob = Omit<BlobFacts, 'sha256'> & {
  readonly id: string
  readonly sha256: string | null
  readonly completed_at: string
}

/** Answer of `GET /v1/images/{id}/data`: all that a download needs, in one call. */
export interface ImageData {
  readonly id: string
  readonly status: ImageStatus
  readonly visibility: Visibility
  readonly owner: string | null
  /** RFC 3339, UTC */
  readonly updated_at: string
  /** null while the image has no data */
  readonly blob: ShownBlob | null
  /** Placements in state `stored`, role `data` or `external`, the oldest first. */
  readonly placements: readonly Placement[]
}

/**
 * `copy`: to further stores. `location`: takes over data that lies outside. `import`: makes data that
 * was staged, or that is fetched from outside, the image's.
 */
export type OperationKind =
  | 'upload'
  | 'stage'
  | 'import'
  | 'copy'
  | 'location'
  | 'convert'
  | 'delete'
/** Kinds that wait for a worker to claim them. */
export type BackgroundKind = Extract<OperationKind, 'copy' | 'location' | 'import'>
export type OperationState = 'pending' | 'running' | 'success' | 'failure'

/** Body of `POST /v1/operations`: the write-ahead record of an upload. Idempotent by `id` and `attempt`. */
export interface BeginOperation {
  readonly id: string
  /** Fencing token: every later call about this operation has to carry it. */
  readonly attempt: string
  readonly kind: OperationKind
  readonly image_id: string
  /** Statuses in which the operation may begin; otherwise `IMAGE_STATE`. */
  readonly from: readonly ImageStatus[]
  /** Status of the image while the operation runs, null to leave it alone. */
  readonly to: ImageStatus | null
  /** Status to fall back to when the operation fails or its lease runs out. */
  readonly fallback: ImageStatus
  /** Who runs it: `<host>/<pid>/<instance>`. */
  readonly worker: string
  readonly blob_id: string
  readonly placement: Placement
  /** Bytes to reserve from the quota of the project, null when the size is unknown. */
  readonly reserve: number | null
}

export interface OperationDocument {
  readonly id: string
  readonly kind: OperationKind
  readonly image_id: string
  readonly state: OperationState
  readonly worker: string | null
  readonly lease_until: string | null
  readonly progress: number
  readonly error: string | null
  readonly request_id: string | null
  readonly created_at: string
  readonly updated_at: string
}

/** Answer to begin and heartbeat. */
export interface Lease {
  /** Milliseconds from now until the operation is taken away from its worker. */
  readonly lease_ms: number
  /** Milliseconds until the next heartbeat is due. */
  readonly heartbeat_ms: number
}

/** Body of `POST /v1/operations/{id}/heartbeat`. */
export interface Heartbeat {
  readonly attempt: string
  /** Bytes received so far. */
  readonly progress: number
}

/** Body of `POST /v1/operations/{id}/finish`. */
export interface FinishOperation {
  readonly attempt: string
  /** Status of the image afterwards. */
  readonly status: ImageStatus
  readonly blob: BlobFacts
  /** Only of staged data: how long it waits for its import. Without it: for ever. */
  readonly keep_seconds?: number
  readonly found?: FoundData
}

/** Body of `POST /v1/operations/{id}/abandon`. */
export interface AbandonOperation {
  readonly attempt: string
  /** One sentence; it is kept as the operation's error, and those of background work are shown to users. */
  readonly reason: string
  /** The worker stops for reasons of its own: background work goes to another one. */
  readonly again?: boolean
  /** What was written may still lie in its store: it counts until it is deleted there (S-08). */
  readonly kept?: boolean
}

/** Bytes that no image needs any more, handed to a collector for 60 seconds. */
export interface GarbagePlacement {
  readonly id: string
  readonly store: string
  readonly key: string
  /** Claim token: the answer about this placement has to carry it. */
  readonly claim: string
}

/** Where bytes lie, and what they were when they were stored. */
export interface StoredPlacement {
  readonly id: string
  readonly store: string
  readonly key: string
  readonly role: 'data' | 'staged' | 'variant' | 'external'
  /** bytes, null where nobody knows them (data at an outside location) */
  readonly size: number | null
  /** Hexadecimal, by algorithm: sha256, md5 and what clients are shown, as far as they are known. */
  readonly digests: Readonly<Record<string, string>>
  /** Some of the images that have these bytes, at most 10. */
  readonly images: readonly string[]
}

/** An image that waits for its deletion. Times are RFC 3339, UTC, with microseconds. */
export interface PendingDelete {
  readonly id: string
  readonly name: string | null
  readonly owner: string | null
  /** bytes */
  readonly size: number
  readonly deleted_at: string
  /** When it is deleted for good. */
  readonly due_at: string
}

export interface Usage {
  readonly project: string
  readonly images: number
  /** bytes that stores hold for the project, garbage that is not deleted yet included */
  readonly stored_bytes: number
  /** bytes reserved by running uploads */
  readonly reserved_bytes: number
  /** bytes that wait for their import, and those that stagings, imports from outside and copies move */
  readonly staged_bytes: number
  /** running uploads */
  readonly uploads: number
  /** Most that every project may have; null: unlimited. */
  readonly limits: UsageLimits
}

export interface UsageLimits {
  readonly images: number | null
  /** of stored and reserved bytes together */
  readonly bytes: number | null
  readonly staged: number | null
  readonly uploads: number | null
}

/** One state change; `GET /v1/changes` lists them in the order in which they became visible. */
export interface Change {
  /** Opaque position to resume after. */
  readonly cursor: string
  readonly image_id: string
  readonly type: string
  readonly actor: string | null
  readonly project: string | null
  readonly request_id: string | null
  readonly at: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** Body of a problem answer (RFC 9457, `application/problem+json`). */
export interface Problem {
  /** `urn:tank:problem:image-not-found` */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly requestId: string
}
