import { TankError } from '@tank/model'
import { type Caller, isAdmin, isService } from './identity/caller.ts'

/** What a rule looks at: the image's owner. Rules without an image get null. */
export interface Target {
  readonly owner: string | null
}

type Check = (caller: Caller, target: Target | null) => boolean

const admin: Check = (caller) => isAdmin(caller)
const reader: Check = (caller) => caller.roles.has('reader')
const member: Check = (caller) => caller.roles.has('member') && !caller.readOnly
const service: Check = (caller) => isService(caller)

const owns: Check = (caller, target) =>
  caller.project !== null && target !== null && target.owner === caller.project

const ownerMember: Check = (caller, target) => member(caller, target) && owns(caller, target)
const adminOr =
  (check: Check): Check =>
  (caller, target) =>
    admin(caller, target) || check(caller, target)

/**
 * Who may do what, for every version of the API: the defaults of the Image API v2. Visibility comes
 * before it: whatever the caller cannot see is "not found" and never reaches a rule.
 */
const RULES = {
  get_images: reader,
  get_image: reader,
  download_image: member,
  add_image: adminOr((caller) => member(caller, null) && caller.project !== null),
  modify_image: adminOr(ownerMember),
  delete_image: adminOr(ownerMember),
  upload_image: adminOr(ownerMember),
  deactivate: adminOr(ownerMember),
  reactivate: adminOr(ownerMember),
  publicize_image: admin,
  communitize_image: adminOr(ownerMember),
  add_member: adminOr(ownerMember),
  delete_member: adminOr(ownerMember),
  modify_member: admin,
  set_owner: admin,
  download_deactivated: admin,
  add_image_location: adminOr(
    (caller, target) => service(caller, target) || ownerMember(caller, target)
  ),
  fetch_image_location: adminOr(service),
  delete_image_location: admin,
  copy_image: admin,
  stores_info_detail: adminOr(service)
} as const satisfies Record<string, Check>

export type Action = keyof typeof RULES

function may(caller: Caller, action: Action, target: Target | null = null): boolean {
  return RULES[action](caller, target)
}

/** Throws FORBIDDEN, with a sentence that names what was refused, unless the caller may. */
export function demand(caller: Caller, action: Action, target: Target | null = null): void {
  if (!may(caller, action, target)) {
    throw new TankError('FORBIDDEN', `You are not authorized to complete ${action} action.`)
  }
}
