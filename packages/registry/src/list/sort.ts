import { invalidQuery } from './query-string.ts'

/** SQL of every sort key: nulls order like the empty string and zero, so that pages can go on. */
const KEYS = {
  name: { sql: (i: string) => `coalesce(${i}.name, '')`, type: 'text' },
  status: { sql: (i: string) => `${i}.status`, type: 'text' },
  container_format: { sql: (i: string) => `coalesce(${i}.container_format, '')`, type: 'text' },
  disk_format: { sql: (i: string) => `coalesce(${i}.disk_format, '')`, type: 'text' },
  size: { sql: (i: string) => `coalesce(${i}.size, 0)`, type: 'bigint' },
  id: { sql: (i: string) => `${i}.id`, type: 'uuid' },
  created_at: { sql: (i: string) => `${i}.created_at`, type: 'timestamptz' },
  updated_at: { sql: (i: string) => `${i}.updated_at`, type: 'timestamptz' }
} as const

type KeyName = keyof typeof KEYS
type Direction = 'asc' | 'desc'

export interface SortKey {
  readonly name: KeyName
  readonly direction: Direction
}

function toKey(name: string): KeyName {
  const trimmed = name.trim()
  if (!Object.hasOwn(KEYS, trimmed)) throw invalidQuery('The sort key is not known.')
  return trimmed as KeyName
}

function toDirection(text: string): Direction {
  const direction = text.trim()
  if (direction === 'asc' || direction === 'desc') return direction
  throw invalidQuery("The sort direction is neither 'asc' nor 'desc'.")
}

/** `sort=key[:dir],key[:dir]` */
function parseNewStyle(sort: string): SortKey[] {
  return sort.split(',').map((entry) => {
    const [name = '', direction = 'desc', more] = entry.split(':')
    if (more !== undefined) throw invalidQuery('A sort entry has more than one direction.')
    return { name: toKey(name), direction: toDirection(direction) }
  })
}

/** Repeated `sort_key` and `sort_dir`. */
function parseOldStyle(keys: readonly string[], directions: readonly string[]): SortKey[] {
  const names = keys.length === 0 ? ['created_at'] : keys
  if (directions.length > 1 && directions.length !== names.length) {
    throw invalidQuery('The numbers of sort keys and of sort directions do not match.')
  }
  return names.map((name, index) => ({
    name: toKey(name),
    direction: toDirection(directions[index] ?? directions[0] ?? 'desc')
  }))
}

/** The given keys and the tie-breakers; a key that cannot matter any more is left out. */
function withTieBreakers(given: readonly SortKey[], direction: Direction): SortKey[] {
  const keys = new Map<KeyName, SortKey>()
  const tieBreakers = (['created_at', 'id'] as const).map((name) => ({ name, direction }))
  for (const key of [...given, ...tieBreakers]) {
    if (!keys.has('id') && !keys.has(key.name)) keys.set(key.name, key)
  }
  return [...keys.values()]
}

export interface SortParameters {
  readonly sort: readonly string[]
  readonly sortKeys: readonly string[]
  readonly sortDirections: readonly string[]
}

/** The total order that a list asks for. */
export function parseSort({ sort, sortKeys, sortDirections }: SortParameters): SortKey[] {
  const newest = sort.at(-1)
  if (newest === undefined) {
    const keys = parseOldStyle(sortKeys, sortDirections)
    const single = sortDirections.length === 1 ? keys[0]?.direction : undefined
    return withTieBreakers(keys, single ?? 'desc')
  }
  if (sortKeys.length > 0 || sortDirections.length > 0) {
    throw invalidQuery('sort cannot be used together with sort_key or sort_dir.')
  }
  const keys = parseNewStyle(newest)
  return withTieBreakers(keys, (keys.length === 1 ? keys[0]?.direction : undefined) ?? 'desc')
}

export function keySql({ name }: SortKey, alias: string): string {
  return KEYS[name].sql(alias)
}

export function orderBy(keys: readonly SortKey[], alias: string): string {
  return keys.map((key) => `${keySql(key, alias)} ${key.direction.toUpperCase()}`).join(', ')
}

/** SQL of "after the marker": `placeholders` stand for its values, one for each key. */
export function afterMarker(
  keys: readonly SortKey[],
  alias: string,
  placeholders: readonly string[]
): string {
  const sides = keys.map((key, index) => ({
    left: keySql(key, alias),
    right: `${placeholders[index]}::${KEYS[key.name].type}`,
    sign: key.direction === 'asc' ? '>' : '<'
  }))
  const sign = sides[0]?.sign
  if (sides.every((side) => side.sign === sign)) {
    const row = (of: 'left' | 'right') => `(${sides.map((side) => side[of]).join(', ')})`
    return `${row('left')} ${sign} ${row('right')}`
  }
  const cases = sides.map((side, index) => {
    const equal = sides.slice(0, index).map(({ left, right }) => `${left} = ${right}`)
    return [...equal, `${side.left} ${side.sign} ${side.right}`].join(' AND ')
  })
  return `((${cases.join(') OR (')}))`
}
