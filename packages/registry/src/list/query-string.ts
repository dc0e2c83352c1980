import { TankError } from '@tank/model'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const ESCAPE = /^[0-9a-fA-F]{2}$/

export function invalidQuery(message: string): TankError {
  return new TankError('INVALID_QUERY', message)
}

/** Exact percent-decoding: what is not valid, or not UTF-8, is an error and never guessed. */
function decode(text: string): string {
  const raw = Buffer.from(text, 'utf8')
  const bytes = Buffer.alloc(raw.length)
  let length = 0
  for (let i = 0; i < raw.length; i++) {
    let byte = raw[i] ?? 0
    if (byte === 0x2b) byte = 0x20
    else if (byte === 0x25) {
      const hex = raw.toString('latin1', i + 1, i + 3)
      if (!ESCAPE.test(hex)) throw invalidQuery('The query string is not percent-encoded.')
      byte = Number.parseInt(hex, 16)
      i += 2
    }
    bytes[length++] = byte
  }
  let decoded: string
  try {
    decoded = decoder.decode(bytes.subarray(0, length))
  } catch {
    throw invalidQuery('The query string is not UTF-8.')
  }
  if (decoded.includes('\0')) throw invalidQuery('The query string has a NUL character.')
  return decoded
}

/** The parameters of a raw query string in their order, names and values decoded. */
export function parseQueryString(raw: string): [name: string, value: string][] {
  const pairs: [string, string][] = []
  for (const part of raw.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = equals === -1 ? part : part.slice(0, equals)
    pairs.push([decode(name), equals === -1 ? '' : decode(part.slice(equals + 1))])
  }
  return pairs
}

/** The query of a request's target, without `?`. */
export function rawQuery(url: string): string {
  const mark = url.indexOf('?')
  return mark === -1 ? '' : url.slice(mark + 1)
}
