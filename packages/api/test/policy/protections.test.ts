import { ConfigError } from '@tank/service'
import t from 'tap'
import { type Caller, roleSet } from '../../src/identity/caller.ts'
import { askedBy, shownTo } from '../../src/images/shown-properties.ts'
import { createAccess } from '../../src/policy/access.ts'
import { readNamePattern } from '../../src/policy/name-pattern.ts'
import {
  demandNewProperty,
  demandPropertyChange,
  type PropertyOperation,
  type ProtectionEntry
} from '../../src/policy/property-protections.ts'

const caller = (...roles: string[]): Caller => ({
  user: 'ann',
  project: 'P1',
  domain: null,
  roles: roleSet(roles),
  serviceRoles: roleSet([]),
  readOnly: false
})

const entry = (match: string, rules: Partial<ProtectionEntry> = {}): ProtectionEntry => ({
  match,
  create: '@',
  read: '@',
  update: '@',
  delete: '@',
  ...rules
})

const protectionsOf = (...propertyProtections: ProtectionEntry[]) =>
  createAccess({ policy: {}, propertyProtections }).protections

t.test('PP1: patterns match from the start of a name', async (t) => {
  const cases: [pattern: string, name: string, expected: boolean][] = [
    ['x_', 'x_secret', true],
    ['x_', 'ax_', false],
    ['^x_.*', 'x_', true],
    ['^x_.*$', 'x_secret', true],
    ['x$', 'xy', false],
    ['a|b', 'bc', true],
    ['(?:hw|os)_', 'os_type', true],
    ['(hw|os)_', 'sw_type', false],
    ['[a-c]+\\d{2,3}$', 'abc123', true],
    ['[a-c]+\\d{2,3}$', 'abc1234', false],
    ['[^a-c]', 'a', false],
    ['[^a-c]', 'd', true],
    ['[\\]x]', ']', true],
    ['a{3}$', 'aaa', true],
    ['a{3}$', 'aa', false],
    ['a{2,}$', 'aaaa', true],
    ['ab?c', 'ac', true],
    ['a*?b', 'aaab', true],
    ['(ab)*c', 'ababc', true],
    ['(a*)*b', 'aab', true],
    ['(a?){3}b', 'ab', true],
    ['a\\.b', 'a.b', true],
    ['a\\.b', 'axb', false],
    ['.', '\u{1f40b}', true],
    ['^.$', '\u{1f40b}', true],
    ['^(?:[^:]|::)*$', 'hw::x', true],
    ['\\w+:', 'trait:X', true]
  ]
  for (const [pattern, name, expected] of cases) {
    t.equal(readNamePattern(pattern)(name), expected, `${pattern} on ${name}`)
    const native = new RegExp(`^(?:${pattern})`, 'u').test(name)
    t.equal(native, expected, `${pattern} means what it means elsewhere`)
  }
})

t.test('PP1: no pattern is slow on any name', async (t) => {
  const name = 'a'.repeat(255)
  for (const pattern of ['(a*)*b', '(a|a)*b', '(a|aa)+$b', '(.*)(.*)(.*)(.*)x', 'a?'.repeat(99)]) {
    t.type(readNamePattern(pattern)(name), 'boolean', pattern)
  }
})

t.test('PP1: what cannot be read is refused with its place', async (t) => {
  const faultsOf = (...entries: ProtectionEntry[]): readonly string[] => {
    try {
      protectionsOf(...entries)
      return []
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
  }
  const patterns: [pattern: string, message: RegExp][] = [
    ['', /is empty/],
    ['(a', /missing closing \)/],
    ['a)', /unexpected \)/],
    ['*a', /missing argument to repetition operator: `\*`/],
    ['a**', /invalid nested repetition operator: `\*\*`/],
    ['(?=a)', /`\(\?=`/],
    ['[b-a]', /invalid character class range: `b-a`/],
    ['[a', /missing closing \]/],
    ['a\\', /trailing backslash/],
    ['\\1', /invalid escape sequence: `\\1`/],
    ['a{1001}', /invalid repeat count/]
  ]
  for (const [pattern, message] of patterns) {
    const [fault] = faultsOf(entry('ok'), entry(pattern))
    t.match(fault, message, pattern)
    t.match(fault, /^\/propertyProtections\/1\/match: /, pattern)
  }
  const rules: [rule: string, message: RegExp][] = [
    ['', /has a role without a name/],
    ['admin,', /has a role without a name/],
    ['@,admin', /has '@' among roles/],
    ['admin,!', /has '!' among roles/],
    ['admin or member', /'admin or member', which is no name of a role/],
    ['role:', /names nothing/],
    ['rule:fly', /rule:fly is the name of no action/],
    ['rule:modify_image', /cannot use %\(owner\)s \(in rule:modify_image\)/],
    ['project_id:%(owner)s', /there is no image to look at/]
  ]
  for (const [rule, message] of rules) {
    const [fault] = faultsOf(entry('a', { update: rule }))
    t.match(fault, message, rule)
    t.match(fault, /^\/propertyProtections\/0\/update: /, rule)
  }
})

t.test('PP1, PP2, PP5: the first section that matches decides', async (t) => {
  const protections = protectionsOf(
    entry('x_open', { update: '!' }),
    entry('x_', { create: 'Builder, admin', read: 'role:member', delete: 'rule:get_images' })
  )
  const cases: [name: string, operation: PropertyOperation, role: string, expected: boolean][] = [
    ['x_open', 'create', 'nobody', true],
    ['x_open', 'update', 'admin', false],
    ['x_a', 'create', 'builder', true],
    ['x_a', 'create', 'admin', true],
    ['x_a', 'create', 'member', false],
    ['x_a', 'read', 'member', true],
    ['x_a', 'read', 'reader', false],
    ['x_a', 'delete', 'reader', true],
    ['x_a', 'delete', 'builder', false],
    ['other', 'read', 'admin', false],
    ['other', 'create', 'admin', false],
    ['os_glance_import_task', 'read', 'nobody', true],
    ['name', 'read', 'nobody', true]
  ]
  for (const [name, operation, role, expected] of cases) {
    t.equal(
      protections.may(caller(role), operation, name),
      expected,
      `${operation} ${name} ${role}`
    )
  }
})

t.test('PP3, PP4: what may not be read can be neither changed nor removed', async (t) => {
  const protections = protectionsOf(entry('secret', { read: 'admin', delete: '!' }))
  const member = caller('member')
  const admin = caller('admin')
  const refused = { code: 'FORBIDDEN' }
  t.throws(() => demandPropertyChange(protections, member, 'update', 'secret'), refused)
  t.throws(() => demandPropertyChange(protections, admin, 'delete', 'secret'), refused)
  t.doesNotThrow(() => demandPropertyChange(protections, admin, 'update', 'secret'))
  t.doesNotThrow(() => demandNewProperty(protections, member, 'secret'))
  t.throws(() => demandNewProperty(protections, member, 'other'), refused)
})

t.test('PP3: documents lose what the caller may not read', async (t) => {
  const protections = protectionsOf(entry('secret', { read: 'admin' }), entry('.'))
  const text = '{"secret":"a","__proto__":"b","id":"1","secrets":"c","open":"d"}'
  const shown = (body: string, role: string) =>
    shownTo(caller(role), protections, Buffer.from(body)).toString()
  t.equal(shown(text, 'admin'), text)
  t.equal(shown(text, 'member'), '{"__proto__":"b","id":"1","open":"d"}')
  t.equal(shown(`[${text},${text}]`, 'member').match(/secret/g), null)
  const body = Buffer.from(text)
  t.equal(shownTo(caller('member'), protectionsOf(), body), body, 'passed on as it came')
})

t.test('PP3: filters on what the caller may not read ask for nothing', async (t) => {
  const protections = protectionsOf(entry('secret', { read: 'admin' }), entry('.'))
  const asked = (query: string, role = 'member') => askedBy(caller(role), protections, query)
  for (const query of ['secret=a', 'x=1&secret=', 'secre%74=a', 'secrets=a', 'secret']) {
    t.equal(asked(query), `${query}&limit=0`, query)
    t.equal(asked(query, 'admin'), query)
    t.equal(askedBy(caller('member'), protectionsOf(), query), query)
  }
  for (const query of ['', 'name=secret', 'x_secret=a', 'tag=secret&limit=5', 'size_min=1']) {
    t.equal(asked(query), query, query)
  }
  const odd = protectionsOf(entry('\\?secret', { read: 'admin' }), entry('.'))
  t.equal(askedBy(caller('member'), odd, '?secret=a'), '?secret=a&limit=0')
  const closed = protectionsOf(entry('!'))
  t.equal(
    askedBy(caller('admin'), closed, 'sort=name&limit=2&marker=a&size_min=1'),
    'sort=name&limit=2&marker=a&size_min=1'
  )
  t.equal(askedBy(caller('admin'), closed, 'tags_min=1'), 'tags_min=1&limit=0')
})
