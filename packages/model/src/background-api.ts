import type { ImageFields, ImageStatus } from './image.ts'
import type {
  BackgroundKind,
  BlobFacts,
  FoundData,
  Lease,
  Placement,
  ShownBlob
} from './registry-api.ts'

/** Body of `POST /v1/operations/enqueue`: work that any worker may do. Idempotent by `id`. */
export interface EnqueueOperation {
  readonly id: string
  readonly kind: BackgroundKind
  readonly image_id: string
  /** Statuses in which the work may be asked for; otherwise `IMAGE_STATE`. */
  readonly from: readonly ImageStatus[]
  /** Status of the image once a worker has begun, null to leave it alone. */
  readonly to: ImageStatus | null
  /** Status to fall back to when the work fails. */
  readonly fallback: ImageStatus
  /** Stores that the worker has to have: the targets of a copy or an import, the store of a location. */
  readonly stores: readonly string[]
  /** One target that fails is the failure of the whole, and takes the others back. */
  readonly must_succeed: boolean
  /** What was asked for; the worker reads it, and the image's tasks show it. */
  readonly input: Readonly<Record<string, unknown>>
  /** Only of kind `location`: the blob that the image gets, and the outside location. */
  readonly location: { readonly blob_id: string; readonly placement: Placement } | null
  /**
   * Only of kind `import`: the blob that data from outside becomes, and the store, or whatever else a
   * worker names among its stores, that reads it.
   * Without it the data is what was staged for the image.
   */
  readonly outside?: { readonly blob_id: string; readonly store: string }
  /**
   * Only of kind `import`: what the image becomes along with it, if it still has this version, as its
   * `ETag` says it; else `VERSION_CONFLICT`.
   */
  readonly change?: { readonly version: string; readonly fields: ImportedFields }
  /**
   * Only of kind `import`, without data: why nothing can become of it. It is noted as failed at once, so
   * that its task tells what there is to tell.
   */
  readonly failure?: string
}

/** What an image takes over from the one that its data comes from. */
export type ImportedFields = Pick<ImageFields, 'disk_format' | 'container_format' | 'properties'>

export type TargetState = 'waiting' | 'writing' | 'stored' | 'failed'

/** One store that a copy or an import goes to. */
export interface OperationTarget {
  readonly store: string
  readonly state: TargetState
}

/** Body of `POST /v1/operations/claim`. Idempotent by `attempt`. */
export interface ClaimOperation {
  readonly worker: string
  /** Fencing token of whoever gets the work. */
  readonly attempt: string
  readonly kinds: readonly BackgroundKind[]
  /** Stores that the worker has. */
  readonly stores: readonly string[]
}

/** Background work in the hands of a worker. */
export interface Job extends Lease {
  readonly id: string
  readonly kind: BackgroundKind
  readonly image_id: string
  /** How often it was claimed, this time included. */
  readonly tries: number
  readonly must_succeed: boolean
  readonly targets: readonly OperationTarget[]
  readonly input: Readonly<Record<string, unknown>>
  /** Only of kind `location`. */
  readonly placement: Placement | null
  /** Only of kind `import`: data that lies in stores of ours already, staged or by an earlier try. */
  readonly source: { readonly blob: ShownBlob; readonly placements: readonly Placement[] } | null
  /** Who asked for it. */
  readonly project: string | null
  readonly user: string | null
  readonly request_id: string | null
}

/** Body of `POST /v1/operations/{id}/placements`: the write-ahead record of one target. */
export interface BeginTarget {
  readonly attempt: string
  readonly placement: Placement
}

/** Body of `POST /v1/operations/{id}/placements/stored`. */
export interface TargetStored {
  readonly attempt: string
  readonly placement_id: string
  /** What was written, by the worker's own count; it has to be what the blob is. */
  readonly blob: BlobFacts
}

/** Body of `POST /v1/operations/{id}/placements/failed`. */
export interface TargetFailed {
  readonly attempt: string
  readonly store: string
  readonly reason: string
}

/** Body of `POST /v1/operations/{id}/activate`: the location answers, the image may be used. */
export interface ActivateLocation {
  readonly attempt: string
  /** bytes */
  readonly size: number
  readonly os_hash_algo: string | null
  readonly os_hash_value: string | null
}

/** Body of `POST /v1/operations/{id}/complete`. */
export interface CompleteOperation {
  readonly attempt: string
  /** Only of kind `import`. */
  readonly found?: FoundData | undefined
}

/** Background work as people see it. Times are RFC 3339, UTC, with microseconds. */
export interface TaskDocument {
  readonly id: string
  /** `import`: made together with its image, by `POST /v2/tasks`. */
  readonly type: 'import' | 'api_image_import' | 'location_import'
  readonly status: 'pending' | 'processing' | 'success' | 'failure'
  readonly owner: string | null
  readonly input: Readonly<Record<string, unknown>>
  readonly message: string
  readonly image_id: string
  readonly request_id: string | null
  readonly user_id: string | null
  /** When the record is forgotten; null while the work is not over. */
  readonly expires_at: string | null
  readonly created_at: string
  readonly updated_at: string
}

/** One page of tasks; `next` is the marker of the page that follows. */
export interface TaskPage {
  readonly tasks: readonly TaskDocument[]
  readonly next: string | null
}
