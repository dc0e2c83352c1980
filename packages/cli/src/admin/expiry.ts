import { UsageError } from '../command-line.ts'

const SPAN = /^(\d{1,6})([mhdw])$/
const UNIT_MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000
}
const DATE = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d)?Z)?$/
const LAST = Date.UTC(9999, 11, 31)

function read(text: string, now: number): number {
  const [, count, unit = ''] = SPAN.exec(text) ?? []
  if (count !== undefined) return now + Number(count) * (UNIT_MS[unit] ?? Number.NaN)
  const [, day] = DATE.exec(text) ?? []
  const at = day === undefined ? Number.NaN : Date.parse(text)
  // a 31st of February is no date, although it can be parsed
  return new Date(Number.isNaN(at) ? 0 : at).toISOString().slice(0, 10) === day ? at : Number.NaN
}

/**
 * When something expires, RFC 3339: after `90d` (m, h, d, w) from now, at a date or a time of day
 * (UTC), or null for `never`. Throws a `UsageError` for what is neither or has passed.
 */
export function parseExpiry(text: string, now = Date.now()): string | null {
  if (text === 'never') return null
  const at = read(text, now)
  if (Number.isNaN(at) || at > LAST) {
    throw new UsageError(
      `--expires needs a span such as 12h, 90d or 52w, a date such as 2030-01-31, or never, not "${text}".`
    )
  }
  if (at <= now) throw new UsageError(`--expires ${text} has passed already.`)
  return new Date(at).toISOString()
}
