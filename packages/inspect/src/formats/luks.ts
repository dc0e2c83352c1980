import { bigEndian, latin1 } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, type Steps, wholeSize } from '../steps.ts'

const HEADER_V1 = 592
const BINARY_V2 = 4096
/** The description is read when it is no larger; it has 12 KiB unless somebody asked for more. */
const MOST_JSON = 60 * 1024
const MOST_DEPTH = 8

function* examineV1(notes: Examination): Steps<void> {
  const fields = bigEndian(yield* need(0, HEADER_V1))
  const payload = fields.u32(104) * 512
  const size = yield* wholeSize()
  if (payload < HEADER_V1 || fields.u32(108) === 0 || fields.u32(108) > 512)
    notes.report('LUKS_HEADER', 104)
  if (payload > size) notes.report('TRUNCATED', size)
  else notes.size(size - payload, 104)
}

/** How deep brackets nest, strings left out. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (const [bracket] of text.replace(/"(?:[^"\\]|\\.)*"/g, '').matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1
    deepest = Math.max(deepest, depth)
  }
  return deepest
}

function parse(text: string): unknown {
  if (depthOf(text) > MOST_DEPTH) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined
}

/** Where the payload begins, in bytes; undefined when the description does not say so. */
function payloadOffset(description: unknown): number | undefined {
  const segments = property(description, 'segments')
  if (typeof segments !== 'object' || segments === null) return undefined
  const offsets = Object.values(segments).map((segment) => Number(property(segment, 'offset')))
  const first = Math.min(...offsets)
  return offsets.length > 0 && Number.isSafeInteger(first) && first > 0 ? first : undefined
}

function* examineV2(notes: Examination): Steps<void> {
  const length = bigEndian(yield* need(8, 8)).u64(0)
  if (length < 2 * BINARY_V2 || length > 4 * 2 ** 20) {
    notes.report('LUKS_HEADER', 8)
    return
  }
  let payload: number | undefined
  if (length - BINARY_V2 <= MOST_JSON) {
    const json = latin1(yield* need(BINARY_V2, length - BINARY_V2))
    const end = json.indexOf('\0')
    payload = payloadOffset(parse(end < 0 ? json : json.slice(0, end)))
    if (payload === undefined) notes.report('LUKS_HEADER', BINARY_V2)
  }
  if (!(yield* hasMagic(length, 'SKUL\xba\xbe'))) notes.report('LUKS_HEADER', length)
  const size = yield* wholeSize()
  if (size < 2 * length || (payload ?? 0) > size) notes.report('TRUNCATED', size)
  else if (payload !== undefined) notes.size(size - payload, BINARY_V2)
}

function* examine(notes: Examination): Steps<void> {
  const version = bigEndian(yield* need(6, 2)).u16(0)
  notes.facts.encrypted = true
  notes.facts.subformat = `v${version}`
  if (version === 1) yield* examineV1(notes)
  else if (version === 2) yield* examineV2(notes)
  else notes.report('LUKS_VERSION', 6)
}

/** Linux's disk encryption, opaque to everybody without the key (LUKS1 1.2.3, LUKS2 1.1.1). */
export const luks: Format = { name: 'luks', detect: () => hasMagic(0, 'LUKS\xba\xbe'), examine }
