import { type RegistryCaller, VISIBILITIES, type Visibility } from '@tank/model'
import type { ListQuery } from './list-query.ts'

/**
 * One part of what a caller sees. Parts are disjoint, and each is fixed to one owner, one
 * visibility or one member, which is what the indexes begin with.
 */
export interface Branch {
  readonly from: string
  readonly where: readonly string[]
}

/** The part of a list query that says who sees what. */
export type BranchQuery = Pick<ListQuery, 'visibility' | 'memberStatus' | 'conditions'>

const IMAGES = 'images i'
const is = (visibility: Visibility) => `i.visibility = '${visibility}'`
const branch = (...where: string[]): Branch => ({ from: IMAGES, where })

/** The part of a branch for which more holds. */
export function narrowed({ from, where }: Branch, more: readonly string[]): Branch {
  return { from, where: [...where, ...more] }
}

/** Shared with the project by others; `project` is a placeholder. */
function sharedBranch(query: BranchQuery, project: string): Branch {
  const status = query.memberStatus === 'all' ? [] : [`m.status = '${query.memberStatus}'`]
  return {
    from: 'members m JOIN images i ON i.id = m.image_id',
    where: [`m.member = ${project}`, ...status, is('shared'), `i.owner IS DISTINCT FROM ${project}`]
  }
}

function ownBranches(query: BranchQuery, project: string): Branch[] {
  const { visibility } = query
  const narrowed = visibility === undefined || visibility === 'all' ? [] : [is(visibility)]
  return [branch(`i.owner = ${project}`, ...narrowed)]
}

function projectBranches(caller: RegistryCaller, query: BranchQuery): Branch[] {
  const { visibility, conditions } = query
  const sees: readonly Visibility[] = caller.sees ?? []
  const reach: readonly Visibility[] = ['public', 'community', ...sees]
  const narrow = reach.find((kind) => kind === visibility)
  // the caller sees all of these, so its own have not to be told apart
  if (narrow !== undefined) return [branch(is(narrow))]
  const open: readonly Visibility[] =
    visibility === 'all' ? reach : visibility === undefined ? ['public', ...sees] : []
  if (caller.project === null) return open.map((kind) => branch(is(kind)))
  const project = conditions.value(caller.project)
  const own = ownBranches(query, project)
  if (conditions.owner === caller.project) return own
  const others = open.map((kind) => branch(is(kind), `i.owner IS DISTINCT FROM ${project}`))
  const isCovered = visibility === 'private' || sees.includes('shared')
  const shared = isCovered ? [] : [sharedBranch(query, project)]
  return [...(conditions.owner === undefined ? own : []), ...others, ...shared]
}

/** An administrator sees everything, but other people's community images only when asked for. */
function adminBranches(caller: RegistryCaller, query: BranchQuery): Branch[] {
  const { visibility, conditions } = query
  if (visibility !== undefined && visibility !== 'all') return [branch(is(visibility))]
  const all = visibility === 'all'
  if (conditions.owner !== undefined) {
    const community = all || conditions.owner === caller.project
    return [branch(...(community ? [] : [`i.visibility <> 'community'`]))]
  }
  if (all) return VISIBILITIES.map((kind) => branch(is(kind)))
  const branches = VISIBILITIES.filter((kind) => kind !== 'community').map((k) => branch(is(k)))
  if (caller.project === null) return branches
  const own = `i.owner = ${conditions.value(caller.project)}`
  return [...branches, branch(is('community'), own)]
}

/** The parts of the catalogue that a list is made of; none when there is nothing to see. */
export function branchesOf(caller: RegistryCaller, query: BranchQuery): Branch[] {
  return caller.scope === 'all' ? adminBranches(caller, query) : projectBranches(caller, query)
}
