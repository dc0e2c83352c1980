import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { keystoneNeeds, startCloud } from '../../src/cloud.ts'
import { testWith } from '../../src/require.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(900_000)

// This client (6.0) has ten commands for images; what it lacks (stores, import of an existing image, tasks,
// cache, usage, metadata definitions) is shown with the glance command and openstacksdk beside this file.

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
  t.same(await list(admin, '--all', '--hidden'), ['known'])
  t.same(await list(admin, '--private'), ['foreign', 'mine'])
  t.same(await list(reader, '--private'), ['mine'])
  t.same(await list(other, '--private'), ['foreign'])
  t.same(await list(other, '--project', one), [])
  const sorted: { Name: string }[] = await member.json('image', 'list', '--sort', 'name:desc')
  t.same(
    sorted.map((row) => row.Name),
    ['open', 'mine', 'empty']
  )
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

await testWith(t, 'VS4 openstack: who shows, saves and changes what', keystoneNeeds, async (t) => {
  const { folder, as } = await startCloud(t)
  const [admin, member, reader, other] = [as('admin'), as('member'), as('reader'), as('other')]
  const file = join(folder, 'in.raw')
  await writeFile(file, 'bytes')
  const saved = ['--file', join(folder, 'out.raw')]
  const make = async (flag: string) => {
    const data = ['--disk-format', 'raw', '--tag', 'nightly', '--file', file]
    return (await member.json('image', 'create', flag, ...data, flag.slice(2))).id
  }
  const [own, open] = [await make('--private'), await make('--community')]
  t.match(await other.json('image', 'show', open), { id: open, visibility: 'community' })
  await other.ok('image', 'save', ...saved, open)
  await other.denied('image', 'set', '--name', 'x', open)
  await other.denied('image', 'delete', open)
  for (const command of ['show', 'save', 'delete']) {
    const unseen = await other.run('image', command, own)
    t.not(unseen.code, 0)
    const text = command === 'save' ? /NoneType/ : /No Image found/i
    t.match(unseen.stderr, text, `${command} of what is not seen, in the words of the client`)
  }
  t.match(await reader.json('image', 'show', own), { id: own })
  const refused = { code: 1, stderr: 'Unable to download image' }
  t.match(await reader.run('image', 'save', ...saved, own), refused)
  await reader.denied('image', 'delete', own)
  t.not((await reader.run('image', 'unset', '--tag', 'nightly', own)).code, 0)
  for (const who of [reader, other]) {
    // this client does not look at the answer to these
    for (const id of [own, open]) await who.run('image', 'set', '--deactivate', id)
  }
  for (const id of [own, open]) {
    t.match(await member.json('image', 'show', id), { status: 'active', tags: ['nightly'] })
  }
  await admin.ok('image', 'save', ...saved, own)
  await member.denied('image', 'create', '--public', 'x')
  await member.denied('image', 'create', '--project', 'admin', 'x')
  await admin.ok('image', 'set', '--deactivate', own)
  t.match(await member.run('image', 'save', ...saved, own), refused)
  await admin.ok('image', 'save', ...saved, own)
  await admin.ok('image', 'set', '--activate', own)
  await member.ok('image', 'delete', own, open)
  t.same(await admin.json('image', 'list'), [])
})

await testWith(t, 'CRE9 openstack: made for another project', keystoneNeeds, async (t) => {
  const { folder, as } = await startCloud(t)
  const [admin, member, other] = [as('admin'), as('member'), as('other')]
  const file = join(folder, 'in.raw')
  await writeFile(file, 'bytes')
  const { id: one } = await admin.json('project', 'show', 'one')
  const create = (...args: string[]) =>
    admin.json('image', 'create', '--disk-format', 'raw', '--private', ...args)
  for (const [index, project] of ['one', one].entries()) {
    const full = await create('--project', project, '--file', file, `full-${index}`)
    const empty = await create('--project', project, `empty-${index}`)
    for (const image of [full, empty]) {
      t.equal(image.owner, one, JSON.stringify(image))
      t.match(await member.json('image', 'show', image.id), { id: image.id, owner: one })
      t.match(await member.json('image', 'show', image.name), { id: image.id })
      t.not((await other.run('image', 'show', image.id)).code, 0)
    }
    await member.ok('image', 'save', '--file', join(folder, 'out.raw'), full.id)
  }
  const { id: two } = await admin.json('project', 'show', 'two')
  const { id } = await create('--file', file, 'moved')
  await admin.ok('image', 'set', '--project', 'two', id)
  t.match(await other.json('image', 'show', 'moved'), { id, owner: two })
  t.not((await member.run('image', 'show', 'moved')).code, 0)
})

await testWith(t, 'CLI1 openstack: set, by every option, and unset', keystoneNeeds, async (t) => {
  const { as } = await startCloud(t)
  const [admin, member, reader, other] = [as('admin'), as('member'), as('reader'), as('other')]
  const made = await member.json('image', 'create', '--tag', 'old', '--property', 'gone=1', 'a')
  const { id } = made
  const uuid = '0f6f2bbd-5b4c-4c6e-8a3c-0a6f1a1f3f10'
  const texts = {
    '--name': 'b',
    '--min-disk': '3',
    '--min-ram': '256',
    '--architecture': 'x86_64',
    '--kernel-id': uuid,
    '--ramdisk-id': uuid,
    '--os-distro': 'debian',
    '--os-version': '13',
    '--property': 'own=2',
    '--tag': 'new'
  }
  const options = Object.entries(texts).flat()
  await member.ok('image', 'set', ...options, '--instance-uuid', uuid, '--protected', id)
  await member.ok('image', 'set', '--hidden', '--community', id)
  const shown = await member.json('image', 'show', id)
  t.match(shown, {
    name: 'b',
    min_disk: 3,
    min_ram: 256,
    protected: true,
    visibility: 'community',
    properties: {
      architecture: 'x86_64',
      kernel_id: uuid,
      ramdisk_id: uuid,
      os_distro: 'debian',
      os_version: '13',
      own: '2',
      os_hidden: true
    }
  })
  t.same([...shown.tags].sort(), ['new', 'old'])
  await member.denied('image', 'delete', id)
  // without a file the client has sent its empty input, so there is data of that format
  await member.denied('image', 'set', '--disk-format', 'vmdk', id)
  for (const who of [reader, other]) await who.denied('image', 'set', '--name', 'c', id)
  await admin.ok('image', 'set', '--public', '--unhidden', '--unprotected', id)
  await member.ok('image', 'unset', '--tag', 'old', '--property', 'gone', '--property', 'own', id)
  const after = await other.json('image', 'show', id)
  t.match(after, { visibility: 'public', protected: false, tags: ['new'] })
  t.notOk('gone' in after.properties || 'own' in after.properties)
  t.not((await reader.run('image', 'unset', '--tag', 'new', id)).code, 0)
  await member.ok('image', 'delete', id)
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
  const shared = async (status: string) =>
    (await other.json('image', 'list', '--shared', '--member-status', status)).length
  await other.ok('image', 'set', '--pending', id)
  t.same([await shared('pending'), await shared('accepted'), await shared('all')], [1, 0, 1])
  await other.ok('image', 'set', '--reject', id)
  t.equal(await shared('rejected'), 1)
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
  const page = await readFile(new URL('../../../../docs/openstack.md', import.meta.url), 'utf8')
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
