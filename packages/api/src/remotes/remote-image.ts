import { customProperties } from '@tank/model'
import { Type } from 'typebox'
import { Value } from 'typebox/value'

/** A digest that data has to have. */
export interface ExpectedDigest {
  readonly algorithm: string
  /** lower-case hexadecimal */
  readonly value: string
}

/** What another image service says of an image. */
export interface RemoteImage {
  readonly status: string
  /** bytes; null while there are none */
  readonly size: number | null
  readonly diskFormat: string | null
  readonly containerFormat: string | null
  /** The best one that it names and we can compute; undefined: none. */
  readonly digest: ExpectedDigest | undefined
  readonly properties: Readonly<Record<string, string>>
}

const text = Type.Optional(Type.Union([Type.String(), Type.Null()]))
const record = Type.Object({
  id: Type.String(),
  status: Type.String(),
  size: Type.Optional(
    Type.Union([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Type.Null()])
  ),
  disk_format: text,
  container_format: text,
  checksum: text,
  os_hash_algo: text,
  os_hash_value: text
})

/** Hexadecimal digits of the digests that we can compute. */
const LENGTHS: ReadonlyMap<string, number> = new Map([
  ['md5', 32],
  ['sha1', 40],
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128]
])

function digestOf(algorithm: string, value: string | null = null): ExpectedDigest | undefined {
  const isDigest = value?.length === LENGTHS.get(algorithm) && /^[0-9a-f]+$/i.test(value ?? '')
  return value !== null && isDigest ? { algorithm, value: value.toLowerCase() } : undefined
}

/** Reads the record of an image (Image API v2); undefined: it is none, or that of another image. */
export function readRemoteImage(json: unknown, id: string): RemoteImage | undefined {
  if (!Value.Check(record, json) || json.id.toLowerCase() !== id.toLowerCase()) return undefined
  const { status, size = null, disk_format = null, container_format = null } = json
  return {
    status,
    size,
    diskFormat: disk_format,
    containerFormat: container_format,
    digest: digestOf(json.os_hash_algo ?? '', json.os_hash_value) ?? digestOf('md5', json.checksum),
    properties: customProperties(json)
  }
}
