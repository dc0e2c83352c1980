import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { glanceNeeds, keystoneNeeds, startCloud } from '../src/cloud.ts'
import { openMirror } from '../src/mirror.ts'
import { testWith } from '../src/require.ts'
import { until } from '../src/wait.ts'

t.setTimeout(900_000)

const digest = (data: Buffer, algorithm: string) => createHash(algorithm).update(data).digest('hex')
const names = (rows: { Name: string }[]) => rows.map((row) => row.Name).sort()

await testWith(t, 'CLI1 openstack: every filter, each sees its own', keystoneNeeds, async (t) => {
  const { folder, as } = await startCloud(t)
  const [admin, member, reader, other] = [as('admin'), as('member'), as('reader'), as('other')]
  const file = join(folder, 'in.raw')
  await writeFile(file, 'bytes')
  const create = (who: typeof member, ...args: string[]) =>
    who.json('image', 'create', '--disk-format', 'raw', ...args)
  await create(member, '--private', '--property', 'os_distro=debian', '--tag', 'nightly', 'mine')
  const queued = await create(member, '--shared', 'empty')
  await create(member, '--community', '--file', file, 'known')
  await create(admin, '--public', '--file', file, 'open')
  await create(other, '--private', '--file', file, 'foreign')
  await member.ok('image', 'set', '--hidden', 'known')
  const { id: one } = await admin.json('project', 'show', 'one')

  const list = async (who: typeof member, ...args: string[]) =>
    names(await who.json('image', 'list', ...args))
  t.same(await list(member), ['empty', 'mine', 'open'])
  t.same(await list(reader), ['empty', 'mine', 'open'])
  t.same(await list(other), ['foreign', 'open'])
  t.same(await list(admin), ['empty', 'foreign', 'mine', 'open'])
  t.same(await list(member, '--private'), ['mine'])
  t.same(await list(member, '--public'), ['open'])
  t.same(await list(member, '--shared'), ['empty'])
  t.same(await list(member, '--hidden'), ['known'])
  t.same(await list(other, '--community', '--hidden'), ['known'])
  t.same(await list(member, '--all'), ['empty', 'mine', 'open'])
  t.same(await list(member, '--name', 'mine'), ['mine'])
  t.same(await list(member, '--status', 'active'), ['empty', 'mine', 'open'])
  t.same(await list(member, '--status', 'queued'), [])
  t.same(await list(member, '--tag', 'nightly'), ['mine'])
  t.same(await list(member, '--property', 'os_distro=debian'), ['mine'])
  t.same(await list(admin, '--project', one), ['empty', 'mine'])
  t.same(await list(member, '--limit', '1'), ['open'], 'the newest')
  t.same(await list(member, '--marker', queued.id), ['mine'], 'what is older')
  t.match(await member.json('image', 'list', '--long', '--name', 'mine'), [
    { Visibility: 'private', Protected: false, Project: one, Tags: ['nightly'] }
  ])
})

await testWith(t, 'CLI2 openstack: shared, accepted, taken back', keystoneNeeds, async (t) => {
  const { folder, as } = await startCloud(t)
  const [admin, member, reader, other] = [as('admin'), as('member'), as('reader'), as('other')]
  const file = join(folder, 'in.raw')
  const bytes = randomBytes(100_000)
  await writeFile(file, bytes)
  const { id } = await member.json('image', 'create', '--shared', '--file', file, 'ours')
  const { id: two } = await admin.json('project', 'show', 'two')
  await reader.denied('image', 'add', 'project', id, two)
  const added = await member.json('image', 'add', 'project', id, two)
  t.match(added, { image_id: id, member_id: two, status: 'pending' })
  const rows = [{ 'Image ID': id, 'Member ID': two, Status: 'pending' }]
  t.match(await member.json('image', 'member', 'list', id), rows)
  t.match(await reader.json('image', 'member', 'list', id), rows)
  t.same(await other.json('image', 'list', '--shared'), [], 'pending is not listed')
  t.match(await other.json('image', 'list', '--shared', '--member-status', 'pending'), [{ ID: id }])
  await other.ok('image', 'set', '--accept', id)
  t.match(await other.json('image', 'list', '--shared'), [{ ID: id }])
  const saved = join(folder, 'out.raw')
  await other.ok('image', 'save', '--file', saved, 'ours')
  t.ok((await readFile(saved)).equals(bytes))
  await other.denied('image', 'set', '--name', 'theirs', id)
  await other.ok('image', 'set', '--reject', id)
  t.same(await other.json('image', 'list', '--shared'), [])
  await member.ok('image', 'remove', 'project', id, two)
  t.same(await member.json('image', 'member', 'list', id), [])
  t.not((await other.run('image', 'show', id)).code, 0, 'nothing is found any more')
})

await testWith(t, 'CLI3 openstack: create --import', keystoneNeeds, async (t) => {
  const { folder, as } = await startCloud(t)
  const member = as('member')
  const file = join(folder, 'in.raw')
  const bytes = randomBytes(3_000_000)
  await writeFile(file, bytes)
  const { id } = await member.json('image', 'create', '--import', '--file', file, 'imported')
  await until('the import is over', 60_000, async () =>
    (await member.json('image', 'show', id)).status === 'active' ? true : undefined
  )
  t.match(await member.json('image', 'show', id), { checksum: digest(bytes, 'md5') })
})

await testWith(t, 'VER7 docs/openstack.md: by the catalogue', keystoneNeeds, async (t) => {
  const { tank, folder, byCatalogue } = await startCloud(t)
  const [admin, member] = [byCatalogue('admin'), byCatalogue('member')]
  t.not((await member.run('image', 'list')).code, 0, 'no image service yet')
  const page = await readFile(new URL('../../../docs/openstack.md', import.meta.url), 'utf8')
  const commands = [...page.matchAll(/^openstack ((?:service|endpoint) create .*)$/gm)]
  t.equal(commands.length, 4)
  t.teardown(() => admin.run('service', 'delete', 'tank'))
  for (const [, line = ''] of commands) {
    const words = line.match(/'[^']*'|\S+/g) ?? []
    await admin.ok(
      ...words.map((word) =>
        word.replaceAll("'", '').replace('https://images.example.org', tank.url)
      )
    )
  }
  const file = join(folder, 'in.raw')
  await writeFile(file, 'bytes')
  const made = await member.json('image', 'create', '--disk-format', 'raw', '--file', file, 'first')
  t.match(await member.json('image', 'list'), [{ ID: made.id, Name: 'first', Status: 'active' }])
})

/** Tank with two stores and one that reads the web, a file, and a page of the web with its bytes. */
async function startGlance(t: Test) {
  const bytes = randomBytes(2_000_000)
  const mirror = await openMirror(t, bytes)
  const web = {
    use: '@tank/store-http',
    allowHttp: true,
    allow: ['127.0.0.1'],
    ports: [Number(new URL(mirror).port)]
  }
  const folder = join(t.testdir({ a: {}, b: {} }))
  const stores = {
    files: { use: '@tank/store-fs', root: join(folder, 'a'), description: 'this machine' },
    other: { use: '@tank/store-fs', root: join(folder, 'b') },
    web
  }
  const imports = { methods: ['glance-direct', 'web-download', 'copy-image'] }
  const cloud = await startCloud(t, { stores, defaultStore: 'files', imports })
  const file = join(cloud.folder, 'in.raw')
  await writeFile(file, bytes)
  const [admin, member, reader] = [
    cloud.glance('admin'),
    cloud.glance('member'),
    cloud.glance('reader')
  ]
  const openstack = cloud.as('member')
  const active = (id: string) =>
    until(`${id} is active`, 60_000, async () => {
      const image = await openstack.json('image', 'show', id)
      return image.status === 'active' && !('os_glance_import_task' in image.properties)
        ? image
        : undefined
    })
  return { ...cloud, bytes, mirror, file, admin, member, reader, openstack, active }
}

const RAW = ['--disk-format', 'raw', '--container-format', 'bare']
/** The id in a table that the command prints. */
const idOf = (table: string) => /\| id +\| ([0-9a-f-]{36})/.exec(table)?.[1] ?? 'no id'

await testWith(t, 'CLI4 glance: an image from beginning to end', glanceNeeds, async (t) => {
  const { folder, file, bytes, admin, member, reader } = await startGlance(t)
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
  await member.ok('image-delete', id)
  t.not((await member.run('image-show', id)).code, 0)
})

await testWith(t, 'CLI4 glance: imports by each method', glanceNeeds, async (t) => {
  const { file, bytes, mirror, admin, member, reader, active } = await startGlance(t)
  t.match(await reader.ok('import-info'), /web-download[\s\S]*copy-image/)
  t.match(await reader.ok('stores-info'), /files[\s\S]*other/)
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
  await admin.ok('stores-delete', '--store', 'other', staged)
  t.notMatch(await member.ok('image-show', staged), /other/)
})

await testWith(t, 'CLI4 glance: members', glanceNeeds, async (t) => {
  const { as, glance, member, reader } = await startGlance(t)
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
  const { as, bytes, mirror, admin, reader, openstack } = await startGlance(t)
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
  const shown = await as('admin').json('image', 'show', 'by-task')
  t.match(shown, { checksum: digest(bytes, 'md5'), status: 'active' })
  t.same(names(await openstack.json('image', 'list')), [], 'it is the other project that has it')
})

await testWith(t, 'CLI4 glance: metadata definitions', glanceNeeds, async (t) => {
  const { admin, member } = await startGlance(t)
  const title = JSON.stringify({ title: 'CPU', type: 'integer' })
  await member.denied('md-namespace-create', 'Site::CPU', '--visibility', 'public')
  await admin.ok('md-namespace-create', 'Site::CPU', '--visibility', 'public')
  t.match(await member.ok('md-namespace-list'), 'Site::CPU')
  const cores = ['--name', 'cores', '--title', 'Cores', '--schema', title]
  await admin.ok('md-property-create', 'Site::CPU', ...cores)
  t.match(await member.ok('md-property-show', 'Site::CPU', 'cores'), /integer/)
  const object = JSON.stringify({
    name: 'Limits',
    properties: { shares: { title: 'S', type: 'integer' } }
  })
  await admin.ok('md-object-create', 'Site::CPU', '--name', 'Limits', '--schema', object)
  t.match(await member.ok('md-object-list', 'Site::CPU'), 'Limits')
  await admin.ok('md-tag-create', 'Site::CPU', '--name', 'fast')
  await admin.ok('md-tag-create-multiple', 'Site::CPU', '--names', 'slow,slower')
  t.match(await member.ok('md-tag-list', 'Site::CPU'), /slow[\s\S]*slower/)
  await admin.ok('md-resource-type-associate', 'Site::CPU', '--name', 'OS::Glance::Image')
  t.match(await member.ok('md-namespace-resource-type-list', 'Site::CPU'), 'OS::Glance::Image')
  t.match(
    await member.ok('md-namespace-show', 'Site::CPU'),
    /Limits[\s\S]*cores|cores[\s\S]*Limits/
  )
  await member.denied('md-namespace-delete', 'Site::CPU')
  await admin.ok('md-namespace-delete', 'Site::CPU')
  t.notMatch(await member.ok('md-namespace-list'), 'Site::CPU')
})

const CREATE_AND_READ = `
import json, sys, openstack
from openstack import exceptions
who, source, target = sys.argv[1:4]
cloud = openstack.connect(cloud=who)
def create():
    return cloud.create_image('built', filename=source, wait=True, validate_checksum=True,
        disk_format='raw', container_format='bare', tags=['nightly'], os_distro='debian')
first = create()
second = create()
cloud.image.download_image(cloud.image.find_image('built'), output=target)
shown = cloud.image.get_image(first.id)
try:
    cloud.image.get_image('00000000-0000-0000-0000-000000000000')
    absent = False
except exceptions.ResourceNotFound:
    absent = True
pages = [image.id for image in cloud.image.images(limit=1)]
print(json.dumps(dict(first=first.id, second=second.id, status=shown.status, tags=shown.tags,
    checksum=shown.checksum, sha256=shown.hash_value, distro=shown.os_distro,
    md5=shown.properties.get('owner_specified.openstack.md5'),
    absent=absent, pages=pages, stores=[store.id for store in cloud.image.stores()])))
`

await testWith(t, 'CLI5 openstacksdk: create, find again, verify', keystoneNeeds, async (t) => {
  const { folder, file, bytes, openstack, sdk } = await startGlance(t)
  await openstack.ok('image', 'create', 'another')
  const target = join(folder, 'out.raw')
  const seen = await sdk('member', CREATE_AND_READ, file, target)
  t.match(seen, {
    status: 'active',
    tags: ['nightly'],
    distro: 'debian',
    checksum: digest(bytes, 'md5'),
    sha256: digest(bytes, 'sha256'),
    md5: digest(bytes, 'md5'),
    absent: true
  })
  t.equal(seen.second, seen.first, 'the same file again finds the image as it is')
  t.equal(seen.pages.length, 2, 'pages of one lead through all')
  t.same(seen.stores.sort(), ['files', 'other', 'web'])
  t.ok((await readFile(target)).equals(bytes))
})
