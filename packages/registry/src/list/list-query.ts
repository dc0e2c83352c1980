import { MEMBER_STATUSES, type MemberStatus, VISIBILITIES, type Visibility } from '@tank/model'
import { addFilters, Conditions } from './filters.ts'
import { invalidQuery, parseQueryString } from './query-string.ts'
import { parseSort, type SortKey } from './sort.ts'

export interface PageSize {
  readonly default: number
  readonly max: number
}

/** What a list asks for, checked. */
export interface ListQuery {
  readonly limit: number
  readonly marker: string | undefined
  readonly visibility: Visibility | 'all' | undefined
  readonly memberStatus: MemberStatus | 'all'
  readonly hidden: boolean
  readonly sort: readonly SortKey[]
  readonly conditions: Conditions
}

export function parseLimit(value: string | undefined, pageSize: PageSize): number {
  if (value === undefined) return pageSize.default
  if (!/^\d+$/.test(value)) throw invalidQuery('limit has to be an integer of at least 0.')
  return Math.min(Number(value), pageSize.max)
}

export function oneOf<T extends string>(
  parameter: string,
  value: string | undefined,
  values: readonly T[]
): T | undefined {
  if (value === undefined) return undefined
  const found = values.find((known) => known === value)
  if (found === undefined) throw invalidQuery(`${parameter} has to be one of ${values.join(', ')}.`)
  return found
}

/** Reads the list language of the Image API v2 from a raw query string. */
export function parseListQuery(raw: string, pageSize: PageSize): ListQuery {
  const tags: string[] = []
  const sort: string[] = []
  const sortKeys: string[] = []
  const sortDirections: string[] = []
  const single = new Map<string, string>()
  for (const [name, value] of parseQueryString(raw)) {
    if (name === 'tag') tags.push(value.trim())
    else if (name === 'sort') sort.push(value)
    else if (name === 'sort_key') sortKeys.push(value)
    else if (name === 'sort_dir') sortDirections.push(value)
    else single.set(name, value)
  }
  const take = (name: string): string | undefined => {
    const value = single.get(name)
    single.delete(name)
    return value
  }
  const limit = parseLimit(take('limit'), pageSize)
  const marker = take('marker')
  const visibility = oneOf('visibility', take('visibility'), [...VISIBILITIES, 'all'])
  const memberStatus = oneOf('member_status', take('member_status'), [...MEMBER_STATUSES, 'all'])
  const hidden = oneOf('os_hidden', take('os_hidden')?.toLowerCase(), ['true', 'false'])
  const conditions = new Conditions()
  addFilters(conditions, single, tags)
  return {
    limit,
    marker,
    visibility,
    memberStatus: memberStatus ?? 'accepted',
    hidden: hidden === 'true',
    sort: parseSort({ sort, sortKeys, sortDirections }),
    conditions
  }
}
