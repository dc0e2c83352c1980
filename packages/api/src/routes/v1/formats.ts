import {
  CONTAINER_FORMATS,
  type ContainerFormat,
  type DiskFormat,
  type ImageMeta,
  type ImageRecord,
  TankError,
  WRITTEN_DISK_FORMATS
} from '@tank/model'

/** The formats of an image, as far as they are known. */
export interface Formats {
  readonly disk_format: ImageRecord['disk_format']
  readonly container_format: ContainerFormat | null
}

/** Kernel, machine and RAM disk of one image belong together: both formats are the same word. */
const AMAZON: readonly string[] = ['aki', 'ari', 'ami']

const NONE: Formats = { disk_format: null, container_format: null }

function invalid(kind: 'disk' | 'container', value: string, hint = ''): never {
  const shown = value.slice(0, 64)
  throw new TankError('INVALID_REQUEST', `Invalid ${kind} format '${shown}' for image${hint}`)
}

function oneOf<T extends string>(
  kind: 'disk' | 'container',
  known: readonly T[],
  value: string | undefined
): T | undefined {
  if (value === undefined) return undefined
  return known.find((each) => each === value) ?? invalid(kind, value)
}

/**
 * The formats that an image has with what a request sends (v1 1.12). Throws INVALID_REQUEST for a
 * word that is no format, and for two that do not go together.
 */
export function readFormats(
  { disk_format, container_format }: ImageMeta,
  stored: Formats = NONE
): Formats {
  const disk = oneOf('disk', WRITTEN_DISK_FORMATS, disk_format)
  const container = oneOf('container', CONTAINER_FORMATS, container_format)
  const isAmazon = [disk, container].some((sent) => sent !== undefined && AMAZON.includes(sent))
  const merged = {
    disk_format: disk ?? (isAmazon ? (container as DiskFormat) : stored.disk_format),
    container_format: container ?? (isAmazon ? (disk as ContainerFormat) : stored.container_format)
  }
  const { disk_format: one, container_format: other } = merged
  const isMixed = [one, other].some((format) => format !== null && AMAZON.includes(format))
  if (isMixed && one !== null && other !== null && String(one) !== String(other)) {
    throw new TankError(
      'INVALID_REQUEST',
      `Invalid mix of disk and container formats: with ${AMAZON.join(', ')} both are the same`
    )
  }
  return merged
}

/** Throws INVALID_REQUEST unless both are known: data needs them. */
export function demandFormats({ disk_format, container_format }: Formats): void {
  const hint = (kind: string) => `: data needs one; send x-image-meta-${kind}_format`
  if (disk_format === null) invalid('disk', 'None', hint('disk'))
  if (container_format === null) invalid('container', 'None', hint('container'))
}
