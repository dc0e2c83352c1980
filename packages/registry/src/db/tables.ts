import type { ImageStatus, MemberStatus, OperationState, PlacementState } from '@tank/model'
import type { ColumnType, Generated, Kysely } from 'kysely'

/** Times stay in PostgreSQL: they are compared, made and rendered there. */
type Time = ColumnType<string, string | undefined, string>

export interface ImagesTable {
  id: string
  /** The id as it was given, where that is not the lower-case form. */
  display_id: string | null
  create_token: string
  name: string | null
  status: ImageStatus
  visibility: string
  owner: string | null
  protected: boolean
  os_hidden: boolean
  container_format: string | null
  disk_format: string | null
  min_disk: number
  min_ram: number
  size: number | null
  virtual_size: number | null
  checksum: string | null
  os_hash_algo: string | null
  os_hash_value: string | null
  stores: string | null
  tags: string[]
  properties: ColumnType<unknown, string, string>
  blob_id: string | null
  version: number
  created_at: Time
  updated_at: Time
  deleted_at: Time | null
}

export interface MembersTable {
  image_id: string
  member: string
  status: MemberStatus
  created_at: Time
  updated_at: Time
}

export interface BlobsTable {
  id: string
  size: number | null
  sha256: string | null
  md5: string | null
  os_hash_algo: string | null
  os_hash_value: string | null
  virtual_size: number | null
  format: string | null
  verdict: string | null
  created_at: Time
  completed_at: Time | null
}

export interface PlacementsTable {
  id: string
  blob_id: string
  store: string
  key: string
  role: string
  state: PlacementState
  /** Who pays for the bytes. */
  project: string | null
  /** Bytes of this placement in the sum of `project`. */
  bytes: number
  created_at: Time
  garbage_at: Time | null
  /** When the collector gets it (again). */
  next_at: Time | null
  claim: string | null
  claimed_until: Time | null
}

export interface OperationsTable {
  id: string
  image_id: string
  kind: string
  exclusive: boolean
  state: OperationState
  attempt: string
  worker: string | null
  lease_until: Time | null
  to_status: ImageStatus | null
  fallback: ImageStatus
  blob_id: string | null
  placement_id: string | null
  progress: number
  /** Bytes of this operation in the reservations of `project`. */
  reserved: number
  /** False: the size is unknown, the reservation grows with the progress. */
  reserve_known: boolean
  project: string | null
  caller_project: string | null
  caller_user: string | null
  request_id: string | null
  error: string | null
  created_at: Time
  updated_at: Time
}

/** What a project uses is the sum over its slots: parallel writers need not wait for each other. */
export interface UsageTable {
  project: string
  slot: number
  images: number
  stored_bytes: number
  reserved_bytes: number
  uploads: number
}

export interface ChangesTable {
  id: Generated<number>
  xid: Generated<string>
  image_id: string
  type: string
  actor: string | null
  project: string | null
  request_id: string | null
  at: Time
  detail: ColumnType<unknown, string, string>
}

export interface Tables {
  images: ImagesTable
  members: MembersTable
  blobs: BlobsTable
  placements: PlacementsTable
  operations: OperationsTable
  usage: UsageTable
  changes: ChangesTable
}

/** A database or a transaction in it. */
export type Executor = Kysely<Tables>
