/** States of an image (Image API v2). `killed` exists for v1 clients only. */
export const IMAGE_STATUSES = [
  'queued',
  'saving',
  'uploading',
  'importing',
  'active',
  'deactivated',
  'killed',
  'pending_delete',
  'deleted'
] as const
export type ImageStatus = (typeof IMAGE_STATUSES)[number]

/** Who may see an image. */
export const VISIBILITIES = ['public', 'private', 'shared', 'community'] as const
export type Visibility = (typeof VISIBILITIES)[number]
/** Images that are so are not found by strangers. */
export const CLOSED_VISIBILITIES = ['private', 'shared'] as const satisfies readonly Visibility[]
export type ClosedVisibility = (typeof CLOSED_VISIBILITIES)[number]

export const CONTAINER_FORMATS = [
  'ami',
  'ari',
  'aki',
  'bare',
  'ovf',
  'ova',
  'docker',
  'compressed'
] as const
export type ContainerFormat = (typeof CONTAINER_FORMATS)[number]

export const DISK_FORMATS = [
  'ami',
  'ari',
  'aki',
  'vhd',
  'vhdx',
  'vmdk',
  'raw',
  'qcow2',
  'vdi',
  'iso',
  'ploop'
] as const
export type DiskFormat = (typeof DISK_FORMATS)[number]

/**
 * What may be said of an image that has no data yet. `auto`: the service finds out. It becomes the true
 * format along with the data.
 */
export const WRITTEN_DISK_FORMATS = [...DISK_FORMATS, 'auto'] as const
export type WrittenDiskFormat = (typeof WRITTEN_DISK_FORMATS)[number]

export const MEMBER_STATUSES = ['pending', 'accepted', 'rejected'] as const
export type MemberStatus = (typeof MEMBER_STATUSES)[number]

/** Limits that hold everywhere, whatever the configuration. Lengths count code points. */
export const LIMITS = {
  nameLength: 255,
  tagLength: 255,
  ownerLength: 255,
  memberLength: 255,
  propertyNameLength: 255,
  locationUrlLength: 255,
  /** bytes of UTF-8 */
  propertyValueBytes: 65535,
  minDisk: 2147483647,
  minRam: 2147483647
} as const

/** Attributes of an image that a user may write, as the Registry API takes them. */
export interface ImageFields {
  readonly name?: string | null
  readonly visibility?: Visibility
  readonly protected?: boolean
  readonly os_hidden?: boolean
  readonly owner?: string | null
  readonly container_format?: ContainerFormat | null
  readonly disk_format?: WrittenDiskFormat | null
  /** gigabytes */
  readonly min_disk?: number
  /** megabytes */
  readonly min_ram?: number
  /** The whole list; order and duplicates carry no meaning. */
  readonly tags?: readonly string[]
  /** The whole map of custom properties. */
  readonly properties?: Readonly<Record<string, string>>
}

/** What every form of an image says of it. */
export interface ImageAttributes {
  readonly id: string
  readonly name: string | null
  readonly status: ImageStatus
  readonly visibility: Visibility
  readonly protected: boolean
  readonly os_hidden: boolean
  readonly owner: string | null
  readonly tags: readonly string[]
  readonly container_format: ContainerFormat | null
  readonly disk_format: WrittenDiskFormat | null
  /** gigabytes */
  readonly min_disk: number
  /** megabytes */
  readonly min_ram: number
  /** bytes */
  readonly size: number | null
  /** bytes */
  readonly virtual_size: number | null
  /** MD5, lower-case hexadecimal */
  readonly checksum: string | null
  readonly os_hash_algo: string | null
  readonly os_hash_value: string | null
  readonly created_at: string
  readonly updated_at: string
}

/**
 * An image as the Image API v2 shows it and as the Registry API returns it: custom properties are
 * further top-level keys with text values. Times are UTC with whole seconds, `YYYY-MM-DDTHH:MM:SSZ`.
 */
export interface ImageDocument extends ImageAttributes {
  readonly self: string
  readonly file: string
  readonly schema: string
  /** Names of the stores that hold the data, joined by commas; absent while there is none. */
  readonly stores?: string
  readonly [property: string]: unknown
}

/** Every key of an `ImageDocument` that is not a custom property. */
export const BASE_ATTRIBUTES: ReadonlySet<string> = new Set([
  'id',
  'name',
  'status',
  'visibility',
  'protected',
  'os_hidden',
  'owner',
  'tags',
  'container_format',
  'disk_format',
  'min_disk',
  'min_ram',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema',
  'stores',
  'locations',
  'direct_url'
])

/** The custom properties of a document, in a map without a prototype (any name is legal). */
export function customProperties(document: object): Record<string, string> {
  const properties: Record<string, string> = Object.create(null)
  for (const [key, value] of Object.entries(document)) {
    if (!BASE_ATTRIBUTES.has(key) && typeof value === 'string') properties[key] = value
  }
  return properties
}

/** A member of a shared image, as the Image API v2 shows it. */
export interface MemberDocument {
  readonly member_id: string
  readonly image_id: string
  readonly status: MemberStatus
  readonly created_at: string
  readonly updated_at: string
  readonly schema: string
}

const LONE_SURROGATE = /\p{Surrogate}/u
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** Length in code points, the way every limit on text is counted. */
export function textLength(text: string): number {
  if (text.length <= 128) {
    let count = 0
    for (const _ of text) count++
    return count
  }
  return [...text].length
}

/** Text that PostgreSQL and JSON can both carry: no NUL, no lone surrogate. */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && !LONE_SURROGATE.test(text)
}
