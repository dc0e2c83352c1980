import { createHash, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { glanceNeeds } from '../../src/cloud.ts'
import { readsOf } from '../../src/counting-store.ts'
import { testWith } from '../../src/require.ts'
import { until } from '../../src/wait.ts'
import { idOf, RAW, startWideCloud } from '../../src/wide-cloud.ts'

t.setTimeout(900_000)

const digest = (data: Buffer, algorithm: string) => createHash(algorithm).update(data).digest('hex')
const names = (rows: { Name: string }[]) => rows.map((row) => row.Name).sort()

await testWith(t, 'CLI4 glance: an image from beginning to end', glanceNeeds, async (t) => {
  const { folder, file, bytes, admin, member, reader } = await startWideCloud(t)
  const id = idOf(await member.ok('image-create', '--name', 'one', ...RAW, '--file', file))
  t.match(await member.ok('image-show', id), digest(bytes, 'md5'))
  t.match(await reader.ok('image-list'), id)
  await reader.denied('image-update', '--name', 'x', id)
  t.match(await member.ok('image-update', '--name', 'two', '--property', 'os_distro=x', id), 'two')
  await member.ok('image-tag-update', id, 'nightly')
  t.match(await member.ok('image-show', id), 'nightly')
  await member.ok('image-tag-delete', id, 'nightly')
  const out = join(folder, 'out.raw')
  await member.ok('image-download', '--file', out, id)
  t.ok((await readFile(out)).equals(bytes))
  await reader.denied('image-deactivate', id)
  await admin.ok('image-deactivate', id)
  t.not((await member.run('image-download', '--file', out, id)).code, 0)
  await admin.ok('image-reactivate', id)
  const empty = idOf(await member.ok('image-create', ...RAW))
  await member.ok('image-upload', '--file', file, '--store', 'other', empty)
  t.match(await reader.ok('image-show', empty), /stores +\| other/)
  t.match(await reader.ok('explain', 'image'), /os_hash_value/)
  await reader.denied('image-delete', id)
  await member.ok('image-delete', id, empty)
  t.not((await member.run('image-show', id)).code, 0)
})

await testWith(t, 'CLI4 glance: imports by each method', glanceNeeds, async (t) => {
  const { file, bytes, mirror, admin, member, reader, active } = await startWideCloud(t)
  t.match(await reader.ok('import-info'), /web-download[\s\S]*copy-image/)
  t.match(await reader.ok('stores-info'), /files[\s\S]*other/)
  t.match(await admin.ok('stores-info', '--detail'), /weight/)
  await member.denied('stores-info', '--detail')
  const made = (...args: string[]) => member.ok('image-create-via-import', ...RAW, ...args)
  const staged = idOf(await made('--import-method', 'glance-direct', '--file', file))
  t.match(await active(staged), { checksum: digest(bytes, 'md5') })
  const fetched = idOf(await made('--import-method', 'web-download', '--uri', mirror))
  t.match(await active(fetched), { checksum: digest(bytes, 'md5') })
  await reader.denied('image-import', '--import-method', 'copy-image', '--stores', 'other', staged)
  await admin.ok('image-import', '--import-method', 'copy-image', '--stores', 'other', staged)
  await until('it is in both', 60_000, async () =>
    /files,other|other,files/.test(await member.ok('image-show', staged)) ? true : undefined
  )
  t.match(await member.ok('image-tasks', staged), /success/)
  const later = idOf(await member.ok('image-create', ...RAW))
  await member.ok('image-import', '--import-method', 'web-download', '--uri', mirror, later)
  await active(later)
  const apart = idOf(await member.ok('image-create', ...RAW))
  await reader.denied('image-stage', '--file', file, apart)
  await member.ok('image-stage', '--file', file, apart)
  t.match(await reader.ok('image-show', apart), /status +\| uploading/)
  await member.ok('image-import', '--import-method', 'glance-direct', '--store', 'other', apart)
  t.match((await active(apart)).properties, { stores: 'other' })
  await admin.ok('stores-delete', '--store', 'other', staged)
  t.notMatch(await member.ok('image-show', staged), /other/)
})

await testWith(t, 'CLI4 glance: members', glanceNeeds, async (t) => {
  const { as, glance, member, reader } = await startWideCloud(t)
  const other = glance('other')
  const { id: two } = await as('admin').json('project', 'show', 'two')
  const id = idOf(await member.ok('image-create', '--visibility', 'shared', ...RAW))
  await reader.denied('member-create', id, two)
  t.match(await member.ok('member-create', id, two), /pending/)
  t.match(await member.ok('member-list', '--image-id', id), /pending/)
  await member.denied('member-update', id, two, 'accepted')
  t.match(await other.ok('member-update', id, two, 'accepted'), /accepted/)
  t.match(await member.ok('member-get', id, two), /accepted/)
  t.match(await other.ok('image-list'), id)
  await member.ok('member-delete', id, two)
  t.notMatch(await other.ok('image-list'), id)
})

await testWith(t, 'CLI4 glance: tasks', glanceNeeds, async (t) => {
  const { as, bytes, mirror, admin, reader, openstack } = await startWideCloud(t)
  const input = {
    import_from: mirror,
    import_from_format: 'raw',
    image_properties: { name: 'by-task', container_format: 'bare' }
  }
  await reader.denied('task-create', '--type', 'import', '--input', JSON.stringify(input))
  const id = idOf(
    await admin.ok('task-create', '--type', 'import', '--input', JSON.stringify(input))
  )
  await until('the task is over', 60_000, async () =>
    /status +\| success/.test(await admin.ok('task-show', id)) ? true : undefined
  )
  t.match(await admin.ok('task-list'), id)
  t.match(await admin.ok('task-list', '--type', 'import', '--status', 'success'), id)
  t.notMatch(await admin.ok('task-list', '--status', 'failure'), id)
  await reader.denied('task-list')
  const shown = await as('admin').json('image', 'show', 'by-task')
  t.match(shown, { checksum: digest(bytes, 'md5'), status: 'active' })
  t.same(names(await openstack.json('image', 'list')), [], 'it is the other project that has it')
})

await testWith(t, 'LST2 glance: every filter of the list', glanceNeeds, async (t) => {
  const { file, bytes, as, admin, member, reader, glance } = await startWideCloud(t)
  const other = glance('other')
  const create = async (who: typeof member, name: string, ...more: string[]) =>
    idOf(await who.ok('image-create', '--name', name, ...RAW, '--file', file, ...more))
  const kept = ['--property', 'os_version=12', '--tags', 'nightly']
  const mine = await create(member, 'mine', '--visibility', 'private', ...kept)
  const known = await create(member, 'known', '--visibility', 'community')
  const open = await create(admin, 'open', '--visibility', 'public', '--store', 'other')
  const hidden = await create(member, 'gone', '--hidden', 'true')
  const { id: one } = await as('admin').json('project', 'show', 'one')
  const list = async (who: typeof member, ...flags: string[]) => {
    const table = await who.ok('image-list', ...flags)
    return [...table.matchAll(/\| [0-9a-f-]{36} \| (\S+)/g)].map(([, name]) => name)
  }
  t.same(await list(member), ['known', 'mine', 'open'])
  t.same(await list(reader), ['known', 'mine', 'open'])
  t.same(await list(other), ['open'])
  t.same(await list(admin), ['mine', 'open'], 'communities of others are not in sight')
  t.same(await list(other, '--visibility', 'community'), ['known'])
  t.same(await list(other, '--visibility', 'private'), [])
  t.same(await list(member, '--visibility', 'private'), ['mine'])
  t.same(await list(member, '--hidden', 'true'), ['gone'])
  t.same(await list(member, '--tag', 'nightly'), ['mine'])
  t.same(await list(member, '--property-filter', 'os_version=12'), ['mine'])
  t.same(await list(member, '--property-filter', 'os_version=11'), [])
  t.same(await list(admin, '--owner', one), ['mine'])
  const all = ['mine', 'known', 'open']
  t.same(await list(member, '--checksum', digest(bytes, 'md5'), '--sort', 'created_at:asc'), all)
  t.same((await list(member, '--hash', digest(bytes, 'sha256'))).sort(), [...all].sort())
  t.same(await list(member, '--sort-key', 'name', '--sort-dir', 'desc'), ['open', 'mine', 'known'])
  t.same(await list(member, '--sort', 'name:desc', '--limit', '2'), ['open', 'mine'])
  t.same(await list(member, '--page-size', '1'), ['known', 'mine', 'open'])
  t.match(await member.ok('image-list', '--include-stores'), new RegExp(`${open}.*other`))
  for (const id of [mine, hidden]) t.not((await other.run('image-show', id)).code, 0)
  t.match(await other.ok('image-show', known), 'known')
  const away = ['image-download', '--file', '/dev/null']
  await reader.denied(...away, mine)
  await other.ok(...away, known)
})

await testWith(t, 'CCH1, CCH3 glance: the cache', glanceNeeds, async (t) => {
  const { file, bytes, reads, folder, admin, member } = await startWideCloud(t)
  const far = async () =>
    idOf(await member.ok('image-create', ...RAW, '--store', 'far', '--file', file))
  const [one, two] = [await far(), await far()]
  const state = (id: string) => new RegExp(`${id}.*cached`)
  const cached = (id: string) =>
    until(`${id} is cached`, 60_000, async () =>
      state(id).test(await admin.ok('cache-list')) ? true : undefined
    )
  await member.denied('cache-list')
  t.match((await member.run('cache-queue', one)).stderr, 'not permitted')
  t.match((await member.run('cache-delete', one)).stderr, 'not permitted')
  t.match((await member.run('cache-clear')).stderr, 'not permitted')
  t.notMatch(await admin.ok('cache-list'), one)
  await admin.ok('cache-queue', one, two)
  await cached(one)
  await cached(two)
  const before = await readsOf(reads)
  const out = join(folder, 'out.raw')
  await member.ok('image-download', '--file', out, one)
  t.ok((await readFile(out)).equals(bytes))
  t.equal(await readsOf(reads), before, 'it came from the cache')
  t.match(await admin.ok('cache-list'), new RegExp(`${one}.*cached.*\\| +1 +\\|$`, 'm'), 'a hit')
  await admin.ok('cache-delete', one)
  t.notMatch(await admin.ok('cache-list'), one)
  t.match(await admin.ok('cache-list'), state(two))
  await admin.ok('cache-clear', '--target', 'queue')
  t.match(await admin.ok('cache-list'), state(two))
  await admin.ok('cache-clear', '--target', 'cache')
  t.notMatch(await admin.ok('cache-list'), two)
  await admin.ok('cache-queue', one)
  await cached(one)
  await admin.ok('cache-clear')
  t.notMatch(await admin.ok('cache-list'), one)
  t.match((await admin.run('cache-queue', randomUUID())).stderr, 'No image with this id')
})

await testWith(t, 'USE1 glance: usage', glanceNeeds, async (t) => {
  const { file, member, reader, glance } = await startWideCloud(t)
  const row = (name: string, limit: number, usage: number) =>
    new RegExp(`${name} +\\| ${limit} +\\| ${usage} `)
  t.match(await member.ok('usage'), row('image_count_total', 50, 0))
  await member.ok('image-create', ...RAW, '--file', file)
  for (const who of [member, reader]) {
    const seen = await who.ok('usage')
    t.match(seen, row('image_count_total', 50, 1))
    t.match(seen, row('image_size_total', 1024, 1))
    t.match(seen, row('image_count_uploading', 10, 0))
    t.match(seen, /image_stage_total/)
  }
  t.match(await glance('other').ok('usage'), row('image_count_total', 50, 0), 'each its own')
})

await testWith(t, 'LOC2 glance: locations', glanceNeeds, async (t) => {
  const { mirror, bytes, folder, admin, member, reader } = await startWideCloud(t, {
    locations: { showMultiple: true }
  })
  const id = idOf(await member.ok('image-create', ...RAW))
  const add = ['location-add', '--url', mirror]
  await reader.denied(...add, id)
  t.match(await member.ok(...add, id), /status +\| active/)
  const out = join(folder, 'out.raw')
  await member.ok('image-download', '--file', out, id)
  t.ok((await readFile(out)).equals(bytes))
  const zone = ['--metadata', JSON.stringify({ zone: 'east' })]
  t.match(await member.ok('location-update', '--url', mirror, ...zone, id), 'east')
  await member.denied('location-delete', '--url', mirror, id)
  const last = await admin.run('location-delete', '--url', mirror, id)
  t.match(last, { code: 1, stderr: 'The last location of an image cannot be removed' })
})
