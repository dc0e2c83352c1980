import { bigEndian, latin1 } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, type Steps, wholeSize } from '../steps.ts'

const HEADER_V1 = 592
const BINARY_V2 = 4096
/** Of the area that the description may fill; it has 12 KiB unless somebody asked for more. */
const MOST_AREA = 4 * 2 ** 20
/** Of the description itself, which nobody has seen as large as this. */
const MOST_JSON = 2 ** 20
const PIECE = 64 * 1024
const MOST_DEPTH = 8

function* examineV1(notes: Examination): Steps<void> {
  const fields = bigEndian(yield* need(0, HEADER_V1))
  const payload = fields.u32(104) * 512
  const size = yield* wholeSize()
  if (payload < HEADER_V1 || fields.u32(108) === 0 || fields.u32(108) > 512)
    notes.report('LUKS_HEADER', 104)
  if (payload >= size) notes.report('TRUNCATED', size)
  else notes.size(size - payload, 104)
}

/** How deep brackets nest, strings left out. One pass: a pattern for strings can be made to go back. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let isString = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') isString = !isString
    else if (isString) at += character === '\\' ? 1 : 0
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth)
    else if (character === ']' || character === '}') depth--
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
  const first = offsets.reduce((least, offset) => Math.min(least, offset), Infinity)
  return Number.isSafeInteger(first) && first > 0 ? first : undefined
}

/** The text up to its NUL, without keeping the area behind it; undefined when it is too long. */
function* readDescription(length: number): Steps<string | undefined> {
  let text = ''
  for (let at = 0; at < length; at += PIECE) {
    const piece = yield* need(BINARY_V2 + at, Math.min(PIECE, length - at))
    const end = piece.indexOf(0)
    text += latin1(end < 0 ? piece : piece.subarray(0, end))
    if (end >= 0 || text.length > MOST_JSON) break
  }
  return text.length > MOST_JSON ? undefined : text
}

function* examineV2(notes: Examination): Steps<void> {
  const length = bigEndian(yield* need(8, 8)).u64(0)
  if (length < 2 * BINARY_V2 || length > MOST_AREA) {
    notes.report('LUKS_HEADER', 8)
    return
  }
  const text = yield* readDescription(length - BINARY_V2)
  const payload = text === undefined ? undefined : payloadOffset(parse(text))
  if (payload === undefined) notes.report('LUKS_HEADER', BINARY_V2)
  if (!(yield* hasMagic(length, 'SKUL\xba\xbe'))) notes.report('LUKS_HEADER', length)
  const size = yield* wholeSize()
  if (size < 2 * length || (payload ?? 0) >= size) notes.report('TRUNCATED', size)
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
