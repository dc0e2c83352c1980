import { TankError } from './errors.ts'
import { LIMITS, textLength } from './image.ts'
import { IMAGE_HEADER_PREFIX } from './image-headers.ts'

/** What the headers of a request say of an image. What is not sent is not there. */
export interface ImageMeta {
  readonly id?: string
  readonly name?: string | null
  /** bytes */
  readonly size?: number
  readonly checksum?: string | null
  /** As sent; '' is no format. */
  readonly disk_format?: string
  readonly container_format?: string
  readonly min_ram?: number
  readonly min_disk?: number
  readonly is_public?: boolean
  readonly protected?: boolean
  readonly owner?: string | null
  readonly store?: string
  readonly location?: string
  /** As sent. No request sets it. */
  readonly status?: string
  /** Empty values are null in the words of v1, and '' here. */
  readonly properties: Readonly<Record<string, string>>
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

/** The text of a header that came as bytes, one character a byte. */
function decode(bytes: string, name: string): string {
  try {
    return decoder.decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)))
  } catch {
    return invalid(`Header ${name} is not valid UTF-8`)
  }
}

/** What every text that is not false by definition means (1.4). */
export function isTrue(text: string): boolean {
  return ['true', 't', '1', 'yes', 'y', 'on'].includes(text.trim().toLowerCase())
}

const INTEGER = /^\d{1,16}$/

/** The size that a header gives, in bytes. Throws INVALID_REQUEST. */
function readSize(text: string): number {
  if (/^-\d+$/.test(text)) invalid(`Image size must be >= 0 ('${text.slice(0, 64)}' specified)`)
  const size = Number(text)
  if (!INTEGER.test(text) || !Number.isSafeInteger(size)) {
    invalid(`Cannot convert image size '${text.slice(0, 64)}' to an integer`)
  }
  return size
}

function readMinimum(name: 'min_ram' | 'min_disk', text: string): number {
  const most = name === 'min_ram' ? LIMITS.minRam : LIMITS.minDisk
  if (!INTEGER.test(text) || Number(text) > most) {
    invalid(`Invalid value for ${name}: it must be an integer between 0 and ${most}`)
  }
  return Number(text)
}

function readText(name: string, text: string, most: number): string {
  if (textLength(text) > most) invalid(`Invalid value for ${name}: at most ${most} characters`)
  return text
}

const nullIfEmpty = (text: string): string | null => (text === '' ? null : text)

/** One reader for each header that means something. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  id: (text) => text,
  name: (text) => nullIfEmpty(readText('name', text, LIMITS.nameLength)),
  size: readSize,
  checksum: (text) => nullIfEmpty(readText('checksum', text, 32)),
  disk_format: (text) => text,
  container_format: (text) => text,
  min_ram: (text) => readMinimum('min_ram', text),
  min_disk: (text) => readMinimum('min_disk', text),
  is_public: isTrue,
  protected: isTrue,
  owner: (text) => nullIfEmpty(readText('owner', text, LIMITS.ownerLength)),
  store: (text) => text,
  location: (text) => text,
  status: (text) => text
}

/** Known, and never obeyed: only the service sets them. */
const IGNORED: ReadonlySet<string> = new Set([
  ...['created_at', 'updated_at', 'deleted_at', 'deleted'],
  ...['uri', 'copy_from', 'virtual_size']
])

function readProperty(name: string, value: string, properties: Record<string, string>): void {
  if (name === '' || textLength(name) > LIMITS.propertyNameLength) {
    invalid(`Bad header: a property name must have 1 to ${LIMITS.propertyNameLength} characters`)
  }
  properties[name] = value
}

/**
 * Reads what a request says of an image from its raw headers (name, value, name, …, as Node gives
 * them). Names are the same in any case, and with `-` or `_`. Throws INVALID_REQUEST for a name
 * that is not known, a value that cannot be, and a name that is sent twice.
 */
export function readImageHeaders(rawHeaders: readonly string[]): ImageMeta {
  const properties: Record<string, string> = Object.create(null)
  const fields: Record<string, unknown> = {}
  const seen = new Set<string>()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const header = (rawHeaders[at] ?? '').toLowerCase()
    if (!header.startsWith(IMAGE_HEADER_PREFIX)) continue
    const name = header.slice(IMAGE_HEADER_PREFIX.length).replaceAll('-', '_')
    const shown = header.slice(0, 255)
    if (seen.has(name)) invalid(`Bad header: ${shown} is sent twice`)
    seen.add(name)
    const value = decode(rawHeaders[at + 1] ?? '', shown).trim()
    if (name.startsWith('property_')) {
      readProperty(name.slice('property_'.length), value, properties)
    } else if (Object.hasOwn(READERS, name)) {
      fields[name] = READERS[name]?.(value)
    } else if (!IGNORED.has(name)) {
      invalid(`Bad header: ${shown} is not known`)
    }
  }
  return { ...(fields as Omit<ImageMeta, 'properties'>), properties }
}

/**
 * The value of a control header, which has a name of ours and an older one; ours wins. Undefined:
 * neither is sent.
 */
export function controlHeader(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  name: 'api-copy-from' | 'registry-purge-props'
): string | undefined {
  for (const header of [`x-tank-${name}`, `x-glance-${name}`]) {
    const value = headers[header]
    if (typeof value === 'string') return decode(value, header).trim()
  }
  return undefined
}
