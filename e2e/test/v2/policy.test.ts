import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ACTIONS } from '@tank/api'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { command, type Outcome } from '../../src/command.ts'
import { ADMIN, type Doc, openStack, P1, P2, READER, type Who } from '../../src/stack.ts'
import { program, tempFolder } from '../../src/tank.ts'
import { until } from '../../src/wait.ts'

const docs = readFileSync(new URL('../../../../docs/policy.md', import.meta.url), 'utf8')

/** The configurations in docs/policy.md, or in one section of it. */
function yamlBlocks(heading?: string): string[] {
  const section = heading === undefined ? docs : docs.split(`\n## ${heading}\n`)[1]
  return [...(section ?? '').matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text)
}

/** What `tank check-config` says about a file. */
async function checkConfig(t: Test, text: string): Promise<Outcome> {
  const file = join(await tempFolder(t), 'tank.yaml')
  await writeFile(file, text)
  return command(process.execPath, [program, 'check-config', '--config', file])
}

const rename = [{ op: 'replace', path: '/name', value: 'new' }]
const publish = [{ op: 'replace', path: '/visibility', value: 'public' }]

t.test('overrides of the policy', async (t) => {
  const stack = await openStack({
    api: {
      policy: {
        get_images: 'role:reader and not role:blind',
        modify_image: '@',
        delete_image: '!',
        publicize_image: 'role:publisher and project_id:%(owner)s',
        download_image: "role:member and (project_id:%(owner)s or 'public':%(visibility)s)",
        download_from_store: 'role:admin',
        add_image: 'role:builder',
        set_owner: 'role:builder',
        get_members: 'rule:add_member',
        modify_member: 'role:admin',
        copy_image: 'rule:modify_image',
        fetch_image_location: 'project_id:ops',
        see_any_image: "role:auditor or (role:support and 'shared':%(visibility)s)"
      }
    }
  })
  t.teardown(() => stack.close())
  const builder: Who = { ...P1, roles: 'builder,member' }
  const make = (fields: object = {}) => stack.create(builder, { owner: 'P1', ...fields })

  await t.test('POL6: an API that is given a wrong rule does not start', async (t) => {
    await t.rejects(stack.openApi({ policy: { modify_image: 'admin' } }), {
      name: 'ConfigError',
      message: /\/policy\/modify_image: .*'admin' is no check/
    })
  })

  await t.test('POL7, VS4: a rule for everyone shows nobody what is hidden', async (t) => {
    const hidden = await make({ visibility: 'private' })
    const open = await make({ visibility: 'community' })
    t.equal((await stack.patch(P2, hidden.id, rename)).status, 404)
    t.equal((await stack.json(P2, 'GET', `/v2/images/${hidden.id}`)).status, 404)
    t.equal((await stack.patch(P2, open.id, rename)).status, 200)
    t.equal((await stack.patch(READER, open.id, rename)).status, 403, 'readers only read')
    t.equal((await stack.patch({ ...P2, roles: '' }, open.id, rename)).status, 403)
  })

  await t.test('POL7: nobody, not even an administrator', async (t) => {
    const { id } = await make()
    t.equal((await stack.call(ADMIN, 'DELETE', `/v2/images/${id}`)).status, 403)
    t.equal((await stack.json(ADMIN, 'GET', `/v2/images/${id}`)).status, 200)
  })

  await t.test('POL7: roles of one’s own, on creation and on change', async (t) => {
    t.equal((await stack.json(P1, 'POST', '/v2/images', {})).status, 403)
    t.equal((await stack.json(builder, 'POST', '/v2/images', { owner: 'P3' })).status, 201)
    const { id } = await make()
    const publisher: Who = { ...P1, roles: 'publisher' }
    t.equal((await stack.patch(ADMIN, id, publish)).status, 403)
    t.equal((await stack.patch(publisher, id, publish)).status, 200)
    const owner = [{ op: 'replace', path: '/owner', value: 'P2' }]
    t.equal((await stack.patch(ADMIN, id, owner)).status, 403)
    t.equal((await stack.patch(builder, id, owner)).status, 200)
  })

  await t.test('POL7: lists and downloads', async (t) => {
    t.equal((await stack.call({ ...P1, roles: 'reader,blind' }, 'GET', '/v2/images')).status, 403)
    t.equal((await stack.call(P1, 'GET', '/v2/images')).status, 200)
    const { id } = await make({ visibility: 'community' })
    const file = `/v2/images/${id}/file`
    const get = async (who: Who, query = '') => (await stack.call(who, 'GET', file + query)).status
    t.equal((await stack.upload(P1, id, 'data')).status, 204)
    t.equal(await get(P1), 200)
    t.equal(await get(P2), 403)
    t.equal(await get(P1, '?prefer=main'), 403)
    t.equal(await get({ ...P1, roles: 'admin' }, '?prefer=main'), 200)
    t.equal((await stack.patch({ ...P1, roles: 'publisher' }, id, publish)).status, 200)
    t.equal(await get(P2), 200)
  })

  await t.test(
    'POL7, VS4: who is shown more sees it in lists and by id, and may no more',
    async (t) => {
      const auditor: Who = { project: 'P9', roles: 'auditor,reader' }
      const support: Who = { project: 'P9', roles: 'support,member' }
      const { id } = await make({ visibility: 'private', name: 'of P1' })
      const shared = await make({ visibility: 'shared', name: 'shared with nobody' })
      const path = `/v2/images/${id}`
      const status = async (who: Who, method: string, url: string) =>
        (await stack.json(who, method, url)).status
      const names = async (who: Who, query = '') => {
        const { body } = await stack.json(who, 'GET', `/v2/images?owner=P1&limit=1000${query}`)
        return body.images.map((image: Doc) => image.name)
      }
      t.match(await names(auditor), ['shared with nobody', 'of P1'])
      t.equal((await names(auditor, `&marker=${shared.id}&visibility=private`))[0], 'of P1')
      t.equal(await status(P2, 'GET', `/v2/images?marker=${id}`), 400)
      t.same(await names(support, '&name=shared%20with%20nobody'), ['shared with nobody'])
      t.same(await names(support, '&visibility=private'), [])
      t.equal(await status(support, 'GET', `/v2/images/${shared.id}`), 200)
      t.equal(await status(support, 'GET', path), 404)
      t.equal(await status(auditor, 'GET', path), 200)
      t.same((await stack.json(auditor, 'GET', `${path}/tasks`)).body.tasks, [])
      t.equal(await status(auditor, 'GET', `${path}/file`), 403)
      t.equal((await stack.call(auditor, 'DELETE', path)).status, 403)
      t.equal(await status(auditor, 'GET', '/v2/tasks'), 403, 'it is no administrator')
      t.equal(await status({ ...auditor, roles: 'auditor' }, 'GET', path), 403, 'get_image says no')
    }
  )

  await t.test('POL7: members, copies, locations', async (t) => {
    const { id } = await make()
    const path = `/v2/images/${id}`
    const members = `${path}/members`
    t.equal((await stack.json(P1, 'POST', members, { member: 'P2' })).status, 200)
    t.equal((await stack.json(P1, 'GET', members)).body.members.length, 1)
    t.equal((await stack.json(P2, 'GET', members)).status, 404)
    const accept = { status: 'accepted' }
    t.equal((await stack.json(P2, 'PUT', `${members}/P2`, accept)).status, 403)
    t.equal((await stack.json(ADMIN, 'PUT', `${members}/P2`, accept)).status, 200)
    await stack.upload(P1, id, 'data')
    const copy = { method: { name: 'copy-image' }, stores: ['second'] }
    t.equal((await stack.json(P2, 'POST', `${path}/import`, copy)).status, 202)
    t.equal((await stack.json(P1, 'GET', `${path}/locations`)).status, 403)
    const operator: Who = { project: 'ops', roles: 'member' }
    t.equal((await stack.json(operator, 'GET', `${path}/locations`)).status, 404)
    t.equal((await stack.json(ADMIN, 'GET', `${path}/locations`)).status, 200)
  })
})

t.test('POL6: a stack with a wrong rule rejects, and nothing of it stays open', async (t) => {
  // what stays open keeps this process from ending, which the test run takes for a failure
  await t.rejects(openStack({ api: { policy: { modify_image: 'admin' } } }), {
    name: 'ConfigError'
  })
})

t.test('POL6: a rule that cannot be ends the start with its place', async (t) => {
  const { code, stderr } = await checkConfig(
    t,
    "api: { policy: { fly: '@', modify_image: 'role:' } }\n"
  )
  t.not(code, 0)
  t.match(stderr, /\/api\/policy\/fly: there is no such action; .*\(.*tank\.yaml\)/)
  t.match(stderr, /\/api\/policy\/modify_image: the rule "role:": .* names nothing after the colon/)
})

t.test('property protections', async (t) => {
  const { api } = parse(yamlBlocks('Property protections')[0] ?? '')
  const stack = await openStack({ api: { propertyProtections: api.propertyProtections } })
  t.teardown(() => stack.close())
  const biller: Who = { ...P1, roles: 'member,billing' }
  const add = (name: string, value = 'a') => [{ op: 'add', path: `/${name}`, value }]
  const remove = (name: string) => [{ op: 'remove', path: `/${name}` }]
  const patch = async (who: Who, id: string, operations: unknown) =>
    (await stack.patch(who, id, operations)).status
  const make = (fields: object = {}) => stack.create(biller, { billing_code: 'A7', ...fields })

  await t.test(
    'POL3, PP4: creating an image needs the right to each of its properties',
    async (t) => {
      const create = async (who: Who, fields: object) =>
        (await stack.json(who, 'POST', '/v2/images', fields)).status
      t.equal(await create(P1, { billing_code: 'A7' }), 403)
      t.equal(await create(biller, { billing_code: 'A7' }), 201)
      t.equal(await create(P1, { os_distro: 'debian' }), 201)
      t.equal(await create(ADMIN, { unknown: 'x' }), 403, 'PP2: no section matches')
    }
  )

  await t.test('POL3, PP3: what may not be read is missing everywhere', async (t) => {
    const { id } = await make({ os_distro: 'debian' })
    const rows = async (who: Who, query = '') =>
      (await stack.json(who, 'GET', `/v2/images?limit=1000${query}`)).body.images
    const row = async (who: Who) => (await rows(who)).find((image: Doc) => image.id === id)
    const show = async (who: Who) => (await stack.json(who, 'GET', `/v2/images/${id}`)).body
    for (const document of [await show(biller), await row(biller)]) {
      t.match(document, { billing_code: 'A7', os_distro: 'debian' })
    }
    for (const document of [await show(P1), await row(P1)]) {
      t.notOk('billing_code' in document)
      t.match(document, { os_distro: 'debian' })
    }
    const changed = await stack.patch(P1, id, rename)
    t.equal(changed.status, 200)
    t.notOk('billing_code' in changed.body)
    t.match(await show(biller), { billing_code: 'A7', name: 'new' })
    t.ok((await rows(biller, '&billing_code=A7')).length > 0)
    for (const query of ['&billing_code=A7', '&billing%5Fcode=A7', '&billing_code=A7&limit=5']) {
      t.same(await rows(P1, query), [], query)
    }
    t.ok((await rows(P1, '&os_distro=debian')).length > 0)
    t.equal((await stack.call(P1, 'GET', '/v2/images?billing_code=A7&sort=x')).status, 400)
  })

  await t.test('POL3, PP3, PP4: changes', async (t) => {
    const { id } = await make({ build_id: '1', os_distro: 'debian' })
    const value = async (name: string) =>
      (await stack.json(biller, 'GET', `/v2/images/${id}`)).body[name]
    const answers: [who: Who, operations: unknown, status: number][] = [
      [P1, add('billing_code', 'B'), 403],
      [P1, [{ op: 'replace', path: '/billing_code', value: 'B' }], 403],
      [P1, remove('billing_code'), 403],
      [P1, remove('billing_other'), 403],
      [biller, add('billing_code', 'B'), 200],
      [biller, remove('billing_code'), 403],
      [P1, add('build_id', '2'), 403],
      [P1, remove('build_id'), 403],
      [P1, add('build_time', 'now'), 200],
      [P1, [...add('os_distro', 'other'), ...add('build_time', 'later')], 403],
      [ADMIN, add('unknown'), 403],
      [ADMIN, remove('unknown'), 403],
      [P1, remove('os_distro'), 200],
      [P1, remove('os_distro'), 409]
    ]
    for (const [who, operations, status] of answers) {
      t.equal(
        await patch(who, id, operations),
        status,
        `${who.roles} ${JSON.stringify(operations)}`
      )
      if (status === 403) t.not(await value('os_distro'), 'other', 'all or nothing')
    }
    t.equal(await value('billing_code'), 'B')
    t.equal(await value('build_id'), '1')
  })

  await t.test('PP5: what the service keeps is no property of users', async (t) => {
    const { id } = await make()
    await stack.upload(biller, id, 'data')
    const copy = { method: { name: 'copy-image' }, stores: ['second'] }
    t.equal((await stack.json(ADMIN, 'POST', `/v2/images/${id}/import`, copy)).status, 202)
    const done = await until('the copy is made', 15_000, async () => {
      const { body } = await stack.json(P1, 'GET', `/v2/images/${id}`)
      return 'os_glance_import_task' in body ? undefined : body
    })
    t.match(done, { os_glance_importing_to_stores: '', os_glance_failed_import: '' })
  })
})

t.test('POL6: a protection that cannot be ends the start with its place', async (t) => {
  const { code, stderr } = await checkConfig(
    t,
    "api: { propertyProtections: [{ match: '(x', create: '@', read: 'rule:fly', update: '@,admin', delete: '!' }] }\n"
  )
  t.not(code, 0)
  t.match(stderr, /\/api\/propertyProtections\/0\/match: .*tank\.yaml/)
  t.match(stderr, /\/api\/propertyProtections\/0\/read: rule:fly is the name of no action/)
  t.match(stderr, /\/api\/propertyProtections\/0\/update: "@,admin" has '@' among roles/)
})

t.test('docs/policy.md is right', async (t) => {
  const rows = [...docs.matchAll(/^\| `(\w+)` \| `(.+?)` \| (.+?) \|$/gm)].map(
    ([, name, rule, about]) => [name, rule, about]
  )
  t.same(
    rows,
    Object.entries(ACTIONS).map(([name, { rule, about }]) => [name, rule, about])
  )
  const examples = yamlBlocks()
  t.ok(examples.length > 1)
  for (const example of examples) {
    t.match(await checkConfig(t, example), { code: 0, stderr: '' }, example)
  }
})
