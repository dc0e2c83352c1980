import type { ContainerFormat, ImageStatus, WrittenDiskFormat } from './image.ts'
import type { ImageRecord } from './image-record.ts'

/** An image as the Image API v1 shows it, in JSON and, without `properties`, in headers. */
export interface ImageV1 {
  readonly id: string
  readonly name: string | null
  readonly status: ImageStatus
  /** bytes; 0 until there is data */
  readonly size: number
  readonly virtual_size: null
  readonly disk_format: WrittenDiskFormat | null
  readonly container_format: ContainerFormat | null
  /** gigabytes */
  readonly min_disk: number
  /** megabytes */
  readonly min_ram: number
  readonly is_public: boolean
  readonly protected: boolean
  readonly deleted: boolean
  /** MD5, lower-case hexadecimal */
  readonly checksum: string | null
  readonly owner: string | null
  /** UTC, `YYYY-MM-DDTHH:MM:SS` and `.ffffff` where that is not zero; so are the others */
  readonly created_at: string
  readonly updated_at: string
  readonly deleted_at: string | null
  readonly properties: Readonly<Record<string, string | null>>
}

/** An entry of a brief list of the Image API v1. */
export type BriefImageV1 = Pick<
  ImageV1,
  'id' | 'name' | 'size' | 'disk_format' | 'container_format' | 'checksum'
>

/** A time as the Image API v1 writes it, from RFC 3339 in UTC. */
function timeV1(time: string): string {
  return time.replace(/(?:\.0+)?Z$/, '')
}

/**
 * What the Image API v1 shows of a record. `mayRead` says which properties the caller may read. An
 * empty value is what v1 knows as null.
 */
export function toImageV1(
  record: ImageRecord,
  mayRead: (property: string) => boolean = () => true
): ImageV1 {
  const properties: Record<string, string | null> = Object.create(null)
  for (const [name, value] of Object.entries(record.properties)) {
    if (mayRead(name)) properties[name] = value === '' ? null : value
  }
  return {
    id: record.id,
    name: record.name,
    status: record.status,
    size: record.size ?? record.announced_size ?? 0,
    virtual_size: null,
    disk_format: record.disk_format,
    container_format: record.container_format,
    min_disk: record.min_disk,
    min_ram: record.min_ram,
    is_public: record.visibility === 'public',
    protected: record.protected,
    deleted: record.deleted_at !== null,
    checksum: record.checksum ?? record.announced_checksum,
    owner: record.owner,
    created_at: timeV1(record.created_at),
    updated_at: timeV1(record.updated_at),
    deleted_at: record.deleted_at === null ? null : timeV1(record.deleted_at),
    properties
  }
}

/** What a brief list shows of an image. */
export function toBriefImageV1(image: ImageV1): BriefImageV1 {
  const { id, name, size, disk_format, container_format, checksum } = image
  return { id, name, size, disk_format, container_format, checksum }
}
