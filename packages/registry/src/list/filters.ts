import { isUuid } from '@tank/model'
import { invalidQuery } from './query-string.ts'
import { type Moment, parseInteger, parseList, parseMoment, splitOperator } from './values.ts'

/** Conditions on an image `i`, and the values of their placeholders. */
export class Conditions {
  readonly where: string[] = []
  readonly values: unknown[] = []
  owner: string | undefined

  /** Adds a value and returns its placeholder. */
  value(value: unknown): string {
    return `$${this.values.push(value)}`
  }

  nothing(): void {
    this.where.push('false')
  }

  get isEmpty(): boolean {
    return this.where.length === 0
  }
}

type Filter = (conditions: Conditions, value: string, name: string) => void

function wanted(value: string): string[] {
  const { operator, operand } = splitOperator(value)
  if (operator === 'eq') return [operand]
  if (operator === 'in') return parseList(operand)
  throw invalidQuery('The operator of a filter is not known.')
}

/** `expression` is how the index has it: a null name is '' there. */
function addText(conditions: Conditions, values: string[], expression: string, column: string) {
  const [first] = values
  const operand =
    values.length === 1 ? `= ${conditions.value(first)}` : `= ANY(${conditions.value(values)})`
  conditions.where.push(`${expression} ${operand}`)
  if (values.includes('') && expression !== column) conditions.where.push(`${column} IS NOT NULL`)
}

const status: Filter = (conditions, value) =>
  addText(conditions, wanted(value), 'i.status', 'i.status')

const nullableText: Filter = (conditions, value, column) =>
  addText(conditions, wanted(value), `coalesce(i.${column}, '')`, `i.${column}`)

const id: Filter = (conditions, value) => {
  const ids = wanted(value).filter(isUuid)
  conditions.where.push(`i.id = ANY(${conditions.value(ids)}::uuid[])`)
}

const equal: Filter = (conditions, value, column) => {
  conditions.where.push(`i.${column} = ${conditions.value(value)}`)
}

/** A comparison in the form that the index of its column has. */
function compareInteger(conditions: Conditions, column: string, sign: string, operand: string) {
  const right = `${sign} ${conditions.value(operand)}::bigint`
  if (column === 'size') {
    conditions.where.push(`coalesce(i.size, 0) ${right}`, 'i.size IS NOT NULL')
    return
  }
  conditions.where.push(`i.${column} ${right}`)
  const isPartial = column === 'min_ram' || column === 'min_disk'
  if (isPartial && sign !== '<=' && BigInt(operand) > 0n) conditions.where.push(`i.${column} > 0`)
}

const integer: Filter = (conditions, value, column) => {
  const operand = parseInteger(value)
  if (operand === undefined) conditions.nothing()
  else compareInteger(conditions, column, '=', operand)
}

const bound =
  (column: string, sign: '>=' | '<='): Filter =>
  (conditions, value, parameter) => {
    const operand = parseInteger(value)
    if (operand === undefined) throw invalidQuery(`${parameter} needs an integer.`)
    compareInteger(conditions, column, sign, operand)
  }

const notNumeric: Filter = (_conditions, _value, parameter) => {
  throw invalidQuery(`${parameter} is no bound of a number.`)
}

/**
 * Times are shown in whole seconds, so a moment without parts of a second means that whole second:
 * `eq:` finds what is shown so, and `gt:` does not.
 */
function compareMoment(column: string, operator: string, moment: Moment, operand: string): string {
  const start = `${operand}::timestamptz`
  const end = moment.exact ? start : `${start} + interval '1 second'`
  const inside = moment.exact
    ? `${column} = ${start}`
    : `(${column} >= ${start} AND ${column} < ${end})`
  switch (operator) {
    case 'eq':
      return inside
    case 'neq':
      return `NOT ${inside}`
    case 'gt':
      return `${column} ${moment.exact ? '>' : '>='} ${end}`
    case 'gte':
      return `${column} >= ${start}`
    case 'lt':
      return `${column} < ${start}`
    case 'lte':
      return `${column} ${moment.exact ? '<=' : '<'} ${end}`
    default:
      throw invalidQuery('The operator of a filter is not known.')
  }
}

const moment: Filter = (conditions, value, column) => {
  const { operator, operand } = splitOperator(value)
  const parsed = parseMoment(operand)
  if (parsed === undefined) throw invalidQuery(`${column} needs an ISO 8601 date.`)
  const placeholder = conditions.value(parsed.text)
  conditions.where.push(compareMoment(`i.${column}`, operator, parsed, placeholder))
}

const flag: Filter = (conditions, value, column) => {
  if (value !== 'true' && value !== 'false') {
    throw invalidQuery(`${column} has to be 'true' or 'false'.`)
  }
  conditions.where.push(value === 'true' ? `i.${column}` : `NOT i.${column}`)
}

const changesSince: Filter = () => {
  throw invalidQuery('changes-since is not supported.')
}

const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ['id', id],
  ['status', status],
  ...['name', 'container_format', 'disk_format'].map((n): [string, Filter] => [n, nullableText]),
  ...['created_at', 'updated_at'].map((n): [string, Filter] => [n, moment]),
  ...['owner', 'checksum', 'os_hash_algo', 'os_hash_value'].map((n): [string, Filter] => [
    n,
    equal
  ]),
  ...['size', 'virtual_size', 'min_ram', 'min_disk'].flatMap((n): [string, Filter][] => [
    [n, integer],
    [`${n}_min`, bound(n, '>=')],
    [`${n}_max`, bound(n, '<=')]
  ]),
  ...[
    ...['id', 'name', 'status', 'visibility', 'owner', 'checksum', 'os_hash_algo', 'os_hash_value'],
    ...['container_format', 'disk_format', 'protected', 'os_hidden', 'created_at', 'updated_at']
  ].flatMap((n): [string, Filter][] => [
    [`${n}_min`, notNumeric],
    [`${n}_max`, notNumeric]
  ]),
  ['protected', flag],
  ['changes-since', changesSince],
  ['deleted', () => undefined]
])

/** Adds the filters of a list; any name that is no other parameter is a custom property. */
export function addFilters(
  conditions: Conditions,
  filters: ReadonlyMap<string, string>,
  tags: readonly string[]
): void {
  const properties = new Map<string, string>()
  for (const [parameter, value] of filters) {
    const filter = FILTERS.get(parameter)
    if (filter === undefined) properties.set(parameter, value)
    else filter(conditions, value, parameter)
  }
  conditions.owner = filters.get('owner')
  // the conditions against {} are those of the partial indexes
  if (tags.length > 0) {
    conditions.where.push(`i.tags <> '{}' AND i.tags @> ${conditions.value([...tags])}::text[]`)
  }
  if (properties.size > 0) {
    const json = JSON.stringify(Object.fromEntries(properties))
    conditions.where.push(
      `i.properties <> '{}' AND i.properties @> ${conditions.value(json)}::jsonb`
    )
  }
}
