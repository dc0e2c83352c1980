import type { ImageV1 } from './image-v1.ts'

/** Begins the name of every header that says something of an image. */
export const IMAGE_HEADER_PREFIX = 'x-image-meta-'
/** Begins, after that, the names of custom properties. */
export const PROPERTY_PREFIX = 'property-'
/** How many properties or attributes of the image the headers of an answer do not have. */
export const OMITTED_HEADER = 'x-tank-omitted-properties'

/** Clients read so much, and no more: header lines, and characters of all of them together. */
const MOST_HEADERS = 300
const MOST_BYTES = 65_536

/** Names that come back as they were: HTTP does not tell cases apart, and v1 not `-` from `_`. */
const PLAIN_NAME = /^[a-z0-9!#$%&'*+.^_`|~]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: these end a header line, or are refused in one
const UNSENDABLE = /[\x00-\x1f\x7f]/

/** Whether the value of a header can be this text, and is read as it was written. */
export function isHeaderText(text: string): boolean {
  return !UNSENDABLE.test(text) && text.trim() === text
}

/** Whether headers can carry a property, so that who reads them gets what is stored. */
export function isHeaderProperty(name: string, value: string): boolean {
  return PLAIN_NAME.test(name) && isHeaderText(value)
}

/** Text as bytes of UTF-8, one character a byte: what Node takes and gives as a header. */
export function toHeaderBytes(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is written as it is
  if (/^[\x00-\x7f]*$/.test(text)) return text
  let bytes = ''
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte)
  return bytes
}

function textOf(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return String(value)
}

/**
 * The headers of an image, values in bytes of UTF-8. What is null has none. What no header can carry
 * is left out, and counted in `x-tank-omitted-properties`.
 */
export function imageHeaders(image: ImageV1): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  let bytes = 0
  let count = 0
  let omitted = 0
  const add = (name: string, value: string): void => {
    const header = `${IMAGE_HEADER_PREFIX}${name}`
    const sent = toHeaderBytes(value)
    const size = header.length + sent.length + 4
    if (!isHeaderText(value) || count >= MOST_HEADERS || bytes + size > MOST_BYTES) {
      omitted++
      return
    }
    headers[header] = sent
    count++
    bytes += size
  }
  const { properties, ...attributes } = image
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) add(name, textOf(value))
  }
  for (const [name, value] of Object.entries(properties)) {
    if (value === null) continue
    if (PLAIN_NAME.test(name)) add(`${PROPERTY_PREFIX}${name}`, value)
    else omitted++
  }
  if (omitted > 0) headers[OMITTED_HEADER] = String(omitted)
  return headers
}
