import { ConfigError } from '@tank/service'
import t from 'tap'
import { type Caller, readsOnly, roleSet } from '../../src/identity/caller.ts'
import { createAccess } from '../../src/policy/access.ts'
import type { Action } from '../../src/policy/actions.ts'
import type { ImageFacts } from '../../src/policy/rule.ts'

interface Who {
  readonly roles?: string
  readonly serviceRoles?: string
  readonly project?: string | null
}

function caller({ roles = '', serviceRoles = '', project = 'P1' }: Who): Caller {
  const own = roleSet(roles.split(','))
  const service = roleSet(serviceRoles.split(','))
  return {
    user: 'ann',
    project,
    domain: 'main',
    roles: own,
    serviceRoles: service,
    readOnly: readsOnly(own, service)
  }
}

const policyOf = (policy: Record<string, string>) =>
  createAccess({ policy, propertyProtections: [] }).policy

function faultsOf(policy: Record<string, string>): readonly string[] {
  try {
    policyOf(policy)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

/** Whether a rule lets a caller do something to an image of P1. */
function holds(rule: string, who: Who, image: Partial<ImageFacts> = {}, member?: string): boolean {
  const facts = { owner: 'P1', visibility: 'private', ...image }
  return policyOf({ get_members: rule }).may(caller(who), 'get_members', facts, member)
}

t.test('POL6: checks of the rule language', async (t) => {
  const member = { roles: 'member' }
  const cases: [rule: string, who: Who, expected: boolean][] = [
    ['@', {}, true],
    ['!', { roles: 'admin' }, false],
    ['role:member', member, true],
    ['role:Member', { roles: 'MEMBER' }, true],
    ['role:admin', member, false],
    ['role:reader', { roles: 'admin' }, true],
    ['service_roles:service', { serviceRoles: 'service' }, true],
    ['service_roles:service', { roles: 'service' }, false],
    ['role:service', { serviceRoles: 'service' }, false],
    ['project_id:P1', { project: 'P1' }, true],
    ['project_id:P1', { project: 'P2' }, false],
    ['user_id:ann and domain_id:main', {}, true],
    ['user_id:bob', {}, false],
    ['project_id:%(owner)s', { project: 'P1' }, true],
    ['project_id:%(project_id)s', { project: 'P1' }, true],
    ['project_id:%(owner)s', { project: 'P2' }, false],
    ["'private':%(visibility)s", {}, true],
    ["'public':%(visibility)s", {}, false],
    ['rule:get_member', member, true],
    ['rule:get_member', { project: 'P2', roles: 'member' }, false]
  ]
  for (const [rule, who, expected] of cases) {
    t.equal(holds(rule, who), expected, `${rule} for ${JSON.stringify(who)}`)
  }
})

t.test('POL6: not binds closest, then and, then or', async (t) => {
  const yes = 'role:member'
  const no = 'role:other'
  const who = { roles: 'member' }
  t.equal(holds(`${yes} or ${yes} and ${no}`, who), true)
  t.equal(holds(`(${yes} or ${yes}) and ${no}`, who), false)
  t.equal(holds(`not ${no} and ${yes}`, who), true)
  t.equal(holds(`not (${no} or ${yes})`, who), false)
  t.equal(holds(`not not ${yes}`, who), true)
  t.equal(holds(`${yes} AND NOT ${no} Or ${no}`, who), true)
  t.equal(holds(`((${yes}))and(${yes})`, who), true)
})

t.test('POL6: nobody owns what has no owner', async (t) => {
  t.equal(holds('project_id:%(owner)s', { project: null }, { owner: null }), false)
  t.equal(holds('project_id:%(member_id)s', { project: null }), false)
  t.equal(holds('project_id:%(member_id)s', { project: 'P2' }, {}, 'P2'), true)
})

t.test('POL6: what cannot be read is refused with its place', async (t) => {
  const cases: [policy: Record<string, string>, message: RegExp][] = [
    [{ fly: '@' }, /^\/policy\/fly: there is no such action/],
    [{ modify_image: '' }, /^\/policy\/modify_image: the rule "": it is empty; write '@'/],
    [{ modify_image: '  ' }, /is empty/],
    [{ modify_image: 'role:' }, /'role:' names nothing after the colon/],
    [{ modify_image: 'role:%(owner)s' }, /needs a plain name/],
    [{ modify_image: 'admin' }, /'admin' is no check; the kinds of checks are role/],
    [{ modify_image: 'http://example.org/%(owner)s' }, /is no check/],
    [{ modify_image: 'role:admin or' }, /ends where a check is expected/],
    [{ modify_image: 'or role:admin' }, /'or' is no check/],
    [{ modify_image: '(role:admin' }, /a '\)' is missing/],
    [{ modify_image: 'role:admin)' }, /'\)' is not expected there/],
    [{ modify_image: 'role:admin role:member' }, /'role:member' is not expected there/],
    [{ modify_image: "'open:%(visibility)s" }, /cannot read/],
    [{ modify_image: 'project_id:%(size)s' }, /'%\(size\)s' is not known; what can be compared is/],
    [{ modify_image: 'project_id:' }, /names nothing/],
    [{ modify_image: 'rule:fly' }, /rule:fly is the name of no action/],
    [{ modify_image: 'rule:modify_image' }, /refers to itself: modify_image → modify_image/],
    [{ modify_image: 'project_id:%(member_id)s' }, /there is no member to look at/],
    [{ stores_info_detail: 'project_id:%(owner)s' }, /there is no image to look at/],
    [{ get_image: 'project_id:%(owner)s' }, /this rule only says who may ask; see_any_image says/],
    [{ see_any_image: 'project_id:%(owner)s' }, /of images it knows the visibility alone/],
    [{ see_any_image: 'rule:modify_image' }, /cannot use %\(owner\)s \(in rule:modify_image\)/],
    [{ get_images: 'rule:modify_image' }, /cannot use %\(owner\)s \(in rule:modify_image\)/]
  ]
  for (const [policy, message] of cases) {
    const [fault] = faultsOf(policy)
    t.match(fault, message, JSON.stringify(policy))
  }
  t.match(
    faultsOf({ modify_image: 'rule:delete_image', delete_image: 'rule:modify_image' }),
    [/^\/policy\/modify_image: refers to itself/, /^\/policy\/delete_image: refers to itself/],
    'every fault is told at once'
  )
})

t.test('POL7: an override is in force, the other rules stay', async (t) => {
  const policy = policyOf({ publicize_image: 'role:publisher and project_id:%(owner)s' })
  const image = { owner: 'P1', visibility: 'private' }
  const may = (who: Who, action: Action) => policy.may(caller(who), action, image)
  t.equal(may({ roles: 'publisher' }, 'publicize_image'), true)
  t.equal(may({ roles: 'publisher', project: 'P2' }, 'publicize_image'), false)
  t.equal(may({ roles: 'admin' }, 'publicize_image'), false)
  t.equal(may({ roles: 'admin' }, 'delete_image'), true)
  t.throws(() => policy.demand(caller({ roles: 'member' }), 'publicize_image', image), {
    code: 'FORBIDDEN',
    message: /publicize_image/
  })
})

t.test('POL7: callers that read only never write, whatever a rule says', async (t) => {
  const policy = policyOf({ modify_image: '@', download_image: '@' })
  const image = { owner: 'P1', visibility: 'public' }
  const may = (roles: string, action: Action) => policy.may(caller({ roles }), action, image)
  t.equal(may('reader', 'modify_image'), false)
  t.equal(may('', 'modify_image'), false)
  t.equal(may('builder', 'modify_image'), true)
  t.equal(may('reader', 'download_image'), true)
  const through = caller({ roles: 'reader', serviceRoles: 'service' })
  t.equal(policy.may(through, 'add_image_location', image), true, 'a service sends it on')
  t.equal(policy.may(through, 'delete_image', image), false)
})

t.test('POL7: see_any_image is the scope that the registry is given', async (t) => {
  const cases: [rule: string, roles: string, sees: string[]][] = [
    ['role:auditor', 'auditor', ['private', 'shared']],
    ['role:auditor', 'member', []],
    ["role:support and 'shared':%(visibility)s", 'support', ['shared']],
    ["role:auditor or not 'shared':%(visibility)s", 'reader', ['private']],
    ["'public':%(visibility)s", 'reader', []],
    ['project_id:P1', '', ['private', 'shared']],
    ['!', 'admin', []]
  ]
  for (const [rule, roles, sees] of cases) {
    t.same(policyOf({ see_any_image: rule }).sees(caller({ roles })), sees, `${rule}: ${roles}`)
  }
  t.same(policyOf({}).sees(caller({ roles: 'member,service' })), [], 'by default nobody')
})
