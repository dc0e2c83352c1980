import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { IMAGE_HEADER_PREFIX, PROPERTY_PREFIX, toHeaderBytes } from '@tank/model'

/** Record of an image in the Image API v1. A header that is missing is a key that is missing. */
export interface LegacyImage {
  readonly id: string
  readonly name?: string | null
  /** `queued`, `saving`, `active`, `killed`, `deleted` or `pending_delete` */
  readonly status: string
  /** bytes, 0 until they have come */
  readonly size: number
  /** MD5, hexadecimal */
  readonly checksum?: string | null
  readonly disk_format?: string | null
  readonly container_format?: string | null
  /** GB */
  readonly min_disk?: number
  /** MB */
  readonly min_ram?: number
  readonly is_public?: boolean
  readonly protected?: boolean
  readonly deleted?: boolean
  readonly owner?: string | null
  /** UTC without a zone, such as `2026-11-29T02:47:00.123456` */
  readonly created_at?: string
  readonly updated_at?: string
  readonly deleted_at?: string | null
  readonly properties?: Readonly<Record<string, string | null>>
}

/** What a list without details says of an image. */
export type LegacyBrief = Pick<
  LegacyImage,
  'id' | 'name' | 'size' | 'disk_format' | 'container_format' | 'checksum'
>

/** What an image is to have; `null` and `undefined` are not sent. */
export interface LegacyFields {
  /** A UUID that nobody has; the server makes one otherwise. */
  readonly id?: string | null | undefined
  readonly name?: string | null | undefined
  /** bytes; the server refuses data of another size */
  readonly size?: number | null | undefined
  /** MD5, hexadecimal; the server refuses data with another one */
  readonly checksum?: string | null | undefined
  readonly disk_format?: string | null | undefined
  readonly container_format?: string | null | undefined
  /** GB */
  readonly min_disk?: number | null | undefined
  /** MB */
  readonly min_ram?: number | null | undefined
  readonly is_public?: boolean | null | undefined
  readonly protected?: boolean | null | undefined
  readonly owner?: string | null | undefined
  /** Store that is to keep the bytes. */
  readonly store?: string | null | undefined
  /** Where the bytes lie and are to stay. */
  readonly location?: string | null | undefined
  readonly properties?:
    | Readonly<Record<string, string | number | boolean | null | undefined>>
    | null
    | undefined
}

const PROPERTY = PROPERTY_PREFIX.replace('-', '_')
const INTEGERS: ReadonlySet<string> = new Set(['size', 'virtual_size', 'min_ram', 'min_disk'])
const BOOLEANS: ReadonlySet<string> = new Set(['is_public', 'protected', 'deleted'])

/** Headers that carry the fields; text goes as the bytes of its UTF-8 form. */
export function metaToHeaders(fields: LegacyFields): Record<string, string> {
  const { properties, ...plain } = fields
  const headers: Record<string, string> = {}
  const set = (name: string, value: unknown) => {
    if (value !== undefined && value !== null)
      headers[IMAGE_HEADER_PREFIX + name] = toHeaderBytes(String(value))
  }
  for (const [name, value] of Object.entries(plain)) set(name.toLowerCase(), value)
  for (const [name, value] of Object.entries(properties ?? {})) {
    set(PROPERTY_PREFIX + name.toLowerCase(), value)
  }
  return headers
}

/** The text whose bytes a header has, unless these are no UTF-8 or were decoded before. */
function fromHeaderText(header: string): string {
  const bytes = Buffer.from(header, 'latin1')
  return bytes.toString('latin1') === header && isUtf8(bytes) ? bytes.toString('utf8') : header
}

/** The record that headers carry: lower case, `-` as `_`, numbers and truth values as such. */
export function metaFromHeaders(headers: IncomingHttpHeaders): Record<string, unknown> {
  const meta: Record<string, unknown> = {}
  const properties: Record<string, string> = {}
  for (const [header, sent] of Object.entries(headers)) {
    const lower = header.toLowerCase()
    if (!lower.startsWith(IMAGE_HEADER_PREFIX) || sent === undefined) continue
    const name = lower.slice(IMAGE_HEADER_PREFIX.length).replaceAll('-', '_')
    const value = fromHeaderText(Array.isArray(sent) ? sent.join(', ') : sent)
    if (name.startsWith(PROPERTY)) define(properties, name.slice(PROPERTY.length), value)
    else define(meta, name, typed(name, value))
  }
  return { ...meta, properties }
}

function typed(name: string, value: string): unknown {
  if (INTEGERS.has(name) && /^\d+$/.test(value)) return Number(value)
  if (BOOLEANS.has(name)) return value.toLowerCase() === 'true'
  return value
}

/** Also for names such as `__proto__`, which an assignment would swallow. */
function define(record: object, name: string, value: unknown): void {
  Object.defineProperty(record, name, {
    value,
    enumerable: true,
    configurable: true,
    writable: true
  })
}
