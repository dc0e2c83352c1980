import type { ClosedVisibility, RegistryCaller } from '@tank/model'
import type { FastifyRequest } from 'fastify'

/** Who sent a request, as one of the identity modes found out. */
export interface Caller {
  readonly user: string | null
  readonly project: string | null
  readonly domain: string | null
  /** Lower case; `admin` implies `member`, `member` implies `reader`. */
  readonly roles: ReadonlySet<string>
  readonly serviceRoles: ReadonlySet<string>
  /** Allowed to read only, whatever the roles. */
  readonly readOnly: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
    /** The visibilities of which the policy shows the caller every image. */
    readonly sees: readonly ClosedVisibility[]
  }
}

const IMPLIED: ReadonlyMap<string, readonly string[]> = new Map([
  ['admin', ['member', 'reader']],
  ['member', ['reader']]
])

/** Role names in lower case with the roles that they imply (VS6). */
export function roleSet(names: Iterable<string>): ReadonlySet<string> {
  const roles = new Set<string>()
  for (const name of names) {
    const role = name.trim().toLowerCase()
    if (role === '') continue
    roles.add(role)
    for (const implied of IMPLIED.get(role) ?? []) roles.add(implied)
  }
  return roles
}

/** Whether roles allow to read only: there is none but `reader`. */
export function readsOnly(
  roles: ReadonlySet<string>,
  serviceRoles: ReadonlySet<string> = new Set()
): boolean {
  return [...roles, ...serviceRoles].every((role) => role === 'reader')
}

function isAdmin(caller: Caller): boolean {
  return caller.roles.has('admin')
}

/** A service of the cloud, by its own roles or by those of its service token. */
export function isService(caller: Caller): boolean {
  return caller.roles.has('service') || caller.serviceRoles.has('service')
}

/** The context that the registry needs to decide what this caller sees. */
export function registryCaller(request: FastifyRequest): RegistryCaller {
  const { caller } = request
  return {
    project: caller.project,
    user: caller.user,
    scope: isAdmin(caller) ? 'all' : 'project',
    sees: request.sees,
    requestId: request.id
  }
}
