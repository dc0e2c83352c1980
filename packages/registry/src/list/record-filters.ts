import { TankError } from '@tank/model'
import type { Conditions } from './filters.ts'
import { type Moment, parseInteger, parseMoment } from './values.ts'

/** The error that clients of the Image API v1 look for in these words. */
function badFilter(name: string, value: string): TankError {
  return new TankError('INVALID_QUERY', `Bad value: filter ${name} got ${value.slice(0, 255)}`)
}

/** Whether a filter is on, off, or of no matter (`none`). */
export function readFlag(name: string, value: string): boolean | 'none' {
  const word = value.toLowerCase()
  if (word === 'true' || word === '1') return true
  if (word === 'false' || word === '0') return false
  if (word === 'none') return 'none'
  throw badFilter(name, value)
}

/** An integer of at least 0, as PostgreSQL's bigint takes it. */
function readCount(name: string, value: string): string {
  const count = /^\d/.test(value) ? parseInteger(value) : undefined
  if (count === undefined) throw badFilter(name, value)
  return count
}

type Filter = (conditions: Conditions, value: string, name: string) => void

/** `expression` is how the index has it: a null name is '' there. */
const text: Filter = (conditions, value, column) => {
  const nullable = column !== 'status'
  const expression = nullable ? `coalesce(i.${column}, '')` : `i.${column}`
  conditions.where.push(`${expression} = ${conditions.value(value)}`)
  if (nullable && value === '') conditions.where.push(`i.${column} IS NOT NULL`)
}

/** The indexes of these columns have only what is not 0. */
function minimum(conditions: Conditions, column: string, count: string): void {
  conditions.where.push(`i.${column} = ${conditions.value(count)}::bigint`)
  if (BigInt(count) > 0n) conditions.where.push(`i.${column} > 0`)
}

const minRam: Filter = (conditions, value, name) =>
  minimum(conditions, 'min_ram', readCount(name, value))

const minDisk: Filter = (conditions, value) => {
  const count = parseInteger(value)
  if (count === undefined) conditions.nothing()
  else minimum(conditions, 'min_disk', count)
}

const size =
  (sign: '>=' | '<='): Filter =>
  (conditions, value, name) => {
    const bound = conditions.value(readCount(name, value))
    // what is shown as the size
    conditions.where.push(`coalesce(i.size, i.announced_size, 0) ${sign} ${bound}::bigint`)
  }

const isProtected: Filter = (conditions, value, name) => {
  const flag = readFlag(name, value)
  if (flag === 'none') throw badFilter(name, value)
  conditions.where.push(flag ? 'i.protected' : 'NOT i.protected')
}

const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ['name', text],
  ['status', text],
  ['container_format', text],
  ['disk_format', text],
  ['min_ram', minRam],
  ['min_disk', minDisk],
  ['size_min', size('>=')],
  ['size_max', size('<=')],
  ['protected', isProtected]
])

const PROPERTY = 'property-'

/**
 * The filters of the Image API v1. A parameter that is none of them is of no matter. Values are
 * compared as they are, there are no operators.
 */
export function addRecordFilters(
  conditions: Conditions,
  parameters: ReadonlyMap<string, string>
): void {
  const properties = new Map<string, string>()
  for (const [name, value] of parameters) {
    if (name.startsWith(PROPERTY)) properties.set(name.slice(PROPERTY.length), value)
    else FILTERS.get(name)?.(conditions, value, name)
  }
  if (properties.size === 0) return
  const json = JSON.stringify(Object.fromEntries(properties))
  // the condition against {} is that of the partial index
  conditions.where.push(`i.properties <> '{}' AND i.properties @> ${conditions.value(json)}::jsonb`)
}

/** When a list of changes begins. */
export function readChangesSince(value: string): Moment {
  const moment = parseMoment(value)
  if (moment === undefined) throw badFilter('changes-since', value)
  return moment
}
