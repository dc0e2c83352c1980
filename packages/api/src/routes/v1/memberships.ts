import { isStorableText, LIMITS, type MembershipWish, TankError, textLength } from '@tank/model'
import { parseJsonBody } from '../../http/json.ts'

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The id of a member; it need not be known anywhere. */
function readMemberId(value: unknown): string {
  if (
    typeof value !== 'string' ||
    value === '' ||
    textLength(value) > LIMITS.memberLength ||
    !isStorableText(value)
  ) {
    invalid(`member_id has to be a project id of 1 to ${LIMITS.memberLength} characters`)
  }
  return value
}

/** A text that says false must not mean true, as it does where any text is true. */
function readCanShare(wish: Readonly<Record<string, unknown>>): { readonly can_share?: boolean } {
  const value = wish.can_share
  if (value === undefined) return {}
  if (typeof value === 'boolean') return { can_share: value }
  if (value === 'true' || value === 'false') return { can_share: value === 'true' }
  return invalid('can_share has to be true or false')
}

/** `{"member": {"can_share": true}}`, or no body. */
export function readMembership(member: string, body: unknown): MembershipWish {
  const member_id = readMemberId(member)
  if (body === undefined || (Buffer.isBuffer(body) && body.length === 0)) return { member_id }
  const parsed = parseJsonBody(body)
  const wish = isObject(parsed) ? parsed.member : undefined
  if (!isObject(wish)) invalid('The body has to be {"member": {"can_share": true or false}}')
  return { member_id, ...readCanShare(wish) }
}

/** `{"memberships": [{"member_id": "…", "can_share": false}]}`, or the bare list. */
export function readMemberships(body: unknown): MembershipWish[] {
  const parsed = parseJsonBody(body)
  const list = Array.isArray(parsed) ? parsed : (parsed as Record<string, unknown>).memberships
  if (!Array.isArray(list)) {
    return invalid('The body has to be {"memberships": [{"member_id": "…", "can_share": false}]}')
  }
  return list.map((wish: unknown) => {
    if (!isObject(wish)) return invalid('Each of memberships has to be an object with a member_id')
    return { member_id: readMemberId(wish.member_id), ...readCanShare(wish) }
  })
}
