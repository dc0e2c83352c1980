import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { command } from '../../src/command.ts'
import { ADMIN, openStack, P1, P2, READER, type Who } from '../../src/stack.ts'
import { program, tempFolder } from '../../src/tank.ts'

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
        fetch_image_location: 'project_id:ops'
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

t.test('POL6: a rule that cannot be ends the start with its place', async (t) => {
  const folder = await tempFolder(t)
  const file = join(folder, 'tank.yaml')
  await writeFile(file, "api: { policy: { fly: '@', modify_image: 'role:' } }\n")
  const { code, stderr } = await command(process.execPath, [
    program,
    'check-config',
    '--config',
    file
  ])
  t.not(code, 0)
  t.match(stderr, /\/api\/policy\/fly: there is no such action; .*\(.*tank\.yaml\)/)
  t.match(stderr, /\/api\/policy\/modify_image: the rule "role:" .* names nothing after the colon/)
})
