import { invalidQuery } from './query-string.ts'

const INTEGER = /^[+-]?\d{1,40}$/
const INT8_MAX = 2n ** 63n - 1n

/** An integer as PostgreSQL's bigint takes it; what lies outside is as good as its end. */
export function parseInteger(text: string): string | undefined {
  if (!INTEGER.test(text)) return undefined
  const value = BigInt(text.replace('+', ''))
  if (value > INT8_MAX) return String(INT8_MAX)
  return String(value < -INT8_MAX ? -INT8_MAX : value)
}

const ISO_DATE = new RegExp(
  '^(\\d{4})(?:-(\\d{2})-(\\d{2})|(\\d{2})(\\d{2}))' +
    '(?:[T ](\\d{2})(?::?(\\d{2})(?::?(\\d{2})(?:[.,](\\d{1,9}))?)?)?' +
    '(Z|[+-]\\d{2}(?::?\\d{2})?)?)?$',
  'i'
)

/** A moment, and whether it was given with parts of a second. */
export interface Moment {
  /** `YYYY-MM-DDTHH:MM:SS.ffffffZ` */
  readonly text: string
  readonly exact: boolean
}

function offsetMinutes(zone: string | undefined): number {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || 0)
  if (hours > 23 || minutes > 59) return Number.NaN
  return (hours * 60 + minutes) * (zone[0] === '-' ? -1 : 1)
}

/** Reads an ISO 8601 date; without a zone it is UTC. */
export function parseMoment(text: string): Moment | undefined {
  const match = ISO_DATE.exec(text)
  if (match === null) return undefined
  const part = (index: number, otherwise: number) => Number(match[index] ?? otherwise)
  const [year, month, day] = [
    part(1, 0),
    Number(match[2] ?? match[4]),
    Number(match[3] ?? match[5])
  ]
  const [hour, minute, second] = [part(6, 0), part(7, 0), part(8, 0)]
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute - offsetMinutes(match[10]), second)
  const shifted = date.getUTCFullYear()
  if (Number.isNaN(shifted) || shifted < 1 || shifted > 9999) return undefined
  const fraction = match[9] ?? ''
  return {
    text: `${date.toISOString().slice(0, 19)}.${fraction.slice(0, 6).padEnd(6, '0')}Z`,
    exact: fraction !== ''
  }
}

/** Splits `operator:value` at the first colon; a bare ISO date has no operator. */
export function splitOperator(value: string): { operator: string; operand: string } {
  const colon = value.indexOf(':')
  if (colon === -1 || parseMoment(value) !== undefined) return { operator: 'eq', operand: value }
  return { operator: value.slice(0, colon), operand: value.slice(colon + 1) }
}

/** One quoted item from its opening quote on: its text, and where the next item may begin. */
function readQuoted(text: string, start: number): { item: string; end: number } {
  let item = ''
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i]
    if (char === '\\' && (text[i + 1] === '"' || text[i + 1] === '\\')) item += text[++i]
    else if (char === '"') {
      if (i + 1 < text.length && text[i + 1] !== ',') {
        throw invalidQuery('A closing quotation mark has to be followed by a comma.')
      }
      return { item, end: i + 1 }
    } else item += char
  }
  throw invalidQuery('A quotation mark is not closed.')
}

function readPlain(text: string, start: number): { item: string; end: number } {
  const comma = text.indexOf(',', start)
  const end = comma === -1 ? text.length : comma
  const item = text.slice(start, end)
  if (/(?<!\\)"/.test(item)) {
    throw invalidQuery('A quotation mark has to follow a comma.')
  }
  return { item: item.replaceAll('\\"', '"'), end }
}

/** The values of `in:`, where `"…"` protects commas and `\"` a quotation mark. */
export function parseList(text: string): string[] {
  const items: string[] = []
  for (let at = 0; at < text.length; ) {
    const { item, end } = text[at] === '"' ? readQuoted(text, at) : readPlain(text, at)
    items.push(item)
    at = end + 1
  }
  return items
}
