import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { glanceNeeds } from '../../src/cloud.ts'
import { testWith } from '../../src/require.ts'
import { until } from '../../src/wait.ts'
import { idOf, RAW, startWideCloud } from '../../src/wide-cloud.ts'

t.setTimeout(900_000)

type Client = Awaited<ReturnType<typeof startWideCloud>>['member']

/** The command as the client of version 1 that it once was. */
const first = ({ ok, run, denied }: Client) => {
  const flags = ['--os-image-api-version', '1']
  return {
    ok: (...args: string[]) => ok(...flags, ...args),
    run: (...args: string[]) => run(...flags, ...args),
    denied: (...args: string[]) => denied(...flags, ...args)
  }
}

await testWith(
  t,
  'CLI4 glance with version 1: an image from beginning to end',
  glanceNeeds,
  async (t) => {
    const { folder, file, bytes, mirror, ...people } = await startWideCloud(t)
    const [admin, member, reader] = [people.admin, people.member, people.reader].map(first)
    if (admin === undefined || member === undefined || reader === undefined)
      throw new Error('nobody')
    const md5 = createHash('md5').update(bytes).digest('hex')

    const made = await member.ok(
      ...['image-create', '--name', 'one', ...RAW, '--file', file, '--property', 'os_distro=x']
    )
    const id = idOf(made)
    t.match(made, md5)
    t.match(made, /status +\| active/)
    t.match(await member.ok('image-show', id), /Property 'os_distro' +\| x/)
    t.match(await member.ok('image-show', 'one'), id, 'by its name')
    t.match(await reader.ok('image-list', '--name', 'one', '--status', 'active'), id)
    t.notMatch(await reader.ok('image-list', '--size-max', '5'), id)
    t.match(
      await reader.ok('image-list', '--property-filter', 'os_distro=x', '--page-size', '1'),
      id
    )

    await reader.denied('image-update', '--name', 'x', id)
    t.match(await member.ok('image-update', '--name', 'two', '--property', 'a=b', id), /two/)
    const kept = await member.ok('image-show', id)
    t.match(kept, /os_distro[\s\S]*two|two[\s\S]*os_distro/, 'properties stay')
    await member.ok('image-update', '--purge-props', '--property', 'a=c', id)
    t.notMatch(await member.ok('image-show', id), /os_distro/)
    const out = join(folder, 'out.raw')
    await member.ok('image-download', '--file', out, id)
    t.ok((await readFile(out)).equals(bytes))

    const later = idOf(await member.ok('image-create', '--name', 'later', ...RAW))
    t.match(await member.ok('image-show', later), /status +\| queued/)
    await member.ok('image-update', '--file', file, later)
    t.match(await member.ok('image-show', later), md5)
    const copied = idOf(await member.ok('image-create', ...RAW, '--copy-from', mirror))
    await until('it is copied', 60_000, async () =>
      /status +\| active/.test(await member.ok('image-show', copied)) ? true : undefined
    )
    t.match(await member.ok('image-show', copied), md5)

    await member.denied('image-update', '--is-public', 'True', id)
    await admin.ok('image-update', '--is-public', 'True', id)
    t.match(await reader.ok('image-list', '--is-public', 'True'), id)
    await member.ok('image-update', '--is-protected', 'True', id)
    t.match((await member.run('image-delete', id)).stdout, /403 .*protected/s, 'it exits with 0')
    await member.ok('image-update', '--is-protected', 'False', id)
    t.match((await reader.run('image-delete', id)).stdout, /403/)
    await member.ok('image-delete', id, later, copied)
    t.not((await member.run('image-show', id)).code, 0)
  }
)

await testWith(t, 'CLI4 glance with version 1: members', glanceNeeds, async (t) => {
  const cloud = await startWideCloud(t)
  const [member, other] = [first(cloud.member), first(cloud.glance('other'))]
  const { id: two } = await cloud.as('admin').json('project', 'show', 'two')
  const id = idOf(await member.ok('image-create', '--name', 'mine', ...RAW))
  t.notMatch(await other.ok('image-list'), id)
  await member.ok('member-create', id, two)
  t.match(await member.ok('member-list', '--image-id', id), new RegExp(`${two} +\\| +\\|`))
  t.match(await other.ok('image-list'), id)
  await member.ok('member-create', '--can-share', id, two)
  t.match(await member.ok('member-list', '--image-id', id), new RegExp(`${two} +\\| True`))
  t.match(await other.ok('member-list', '--tenant-id', two), id)
  await other.ok('member-create', id, 'third')
  await member.ok('member-delete', id, two)
  t.not((await other.run('image-show', id)).code, 0)
})
