import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runClient } from '../src/client-host.ts'
import { startAlone } from '../src/cluster.ts'
import { sharedDatabase } from '../src/database.ts'
import { openFront } from '../src/front.ts'
import { missingCommand, testWith } from '../src/require.ts'
import { tempFolder } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(300_000)

// of Debian, as is the Python that runs it
const script = process.env.TANK_TEST_OPENSTACK || '/usr/bin/openstack'
const missing = missingCommand(script)
const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', LANG: 'C.UTF-8' }
const digest = (data: Buffer, algorithm: string) => createHash(algorithm).update(data).digest('hex')

/**
 * Answers as an identity service that lets nobody look: the client asks it for the name of a project
 * before it removes one, and takes the id as given when it may not look.
 */
function withoutProjects(path: string, outgoing: ServerResponse): string | undefined {
  if (!/^(\/v3)?\/projects/.test(path)) return path
  outgoing.writeHead(403, { 'content-type': 'application/json' })
  outgoing.end('{"error":{"code":403,"title":"Forbidden","message":"no"}}')
  return undefined
}

/** The openstack command line against one Tank; answers are parsed JSON. */
async function openClient(t: Test, front = async (url: string) => url) {
  const { tank } = await startAlone(t, {}, await sharedDatabase(t))
  const endpoint = await front(tank.url)
  const run = (...args: string[]) =>
    runClient({
      script,
      args: ['--os-auth-type', 'none', '--os-endpoint', endpoint, ...args],
      env
    })
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args)
    t.equal(code, 0, `openstack ${args.slice(0, 3).join(' ')}`, { stdout, stderr })
    return stdout
  }
  const json = async (...args: string[]) => JSON.parse(await ok(...args, '-f', 'json'))
  return { run, ok, json, folder: await tempFolder(t) }
}

await testWith(t, 'CLI1 openstack: an image from file to file', [missing], async (t) => {
  const { run, ok, json, folder } = await openClient(t)
  const data = Buffer.from('some bytes of an image, 1234567890\n'.repeat(40_000))
  const file = join(folder, 'in.raw')
  await writeFile(file, data)

  const made = await json(
    'image',
    'create',
    '--file',
    file,
    '--property',
    'os_distro=debian',
    'first'
  )
  t.equal(made.name, 'first')
  t.equal(made.properties.os_distro, 'debian', 'a property that was given at creation')

  const listed = await json('image', 'list')
  t.match(listed, [{ ID: made.id, Name: 'first', Status: 'active' }])
  t.same(await json('image', 'list', '--name', 'other'), [])

  const shown = await json('image', 'show', 'first')
  t.equal(shown.id, made.id, 'found by its name')
  t.equal(shown.size, data.length)
  t.equal(shown.checksum, digest(data, 'md5'))
  t.equal(shown.properties.os_hash_value, digest(data, shown.properties.os_hash_algo))

  await ok(
    'image',
    'set',
    '--property',
    'hw_disk_bus=scsi',
    '--tag',
    'nightly',
    '--min-ram',
    '256',
    'first'
  )
  const changed = await json('image', 'show', made.id)
  t.equal(changed.properties.hw_disk_bus, 'scsi')
  t.same(changed.tags, ['nightly'])
  t.equal(changed.min_ram, 256)
  t.match(await json('image', 'list', '--tag', 'nightly'), [{ ID: made.id }])

  await ok('image', 'unset', '--property', 'hw_disk_bus', '--tag', 'nightly', 'first')
  const unset = await json('image', 'show', 'first')
  t.notOk('hw_disk_bus' in unset.properties)
  t.same(unset.tags, [])

  await ok('image', 'set', '--name', 'renamed', 'first')
  const out = join(folder, 'out.raw')
  await ok('image', 'save', '--file', out, 'renamed')
  t.ok((await readFile(out)).equals(data), 'the saved bytes are the uploaded ones')

  await ok('image', 'set', '--protected', 'renamed')
  t.not((await run('image', 'delete', 'renamed')).code, 0, 'a protected image stays')
  await ok('image', 'set', '--unprotected', 'renamed')
  await ok('image', 'delete', 'renamed')
  t.same(await json('image', 'list'), [])
  const gone = await run('image', 'show', made.id)
  t.not(gone.code, 0)
  t.match(gone.stderr, /No Image found/i, 'the client understands the 404')
})

await testWith(t, 'CLI3 openstack: an image that is staged and imported', [missing], async (t) => {
  const { ok, json, folder } = await openClient(t)
  const data = Buffer.from('bytes that are staged first\n'.repeat(100_000))
  const file = join(folder, 'in.raw')
  await writeFile(file, data)
  const { id } = await json('image', 'create', '--import', '--file', file, 'imported')
  await until('the import is over', 60_000, async () =>
    (await json('image', 'show', id)).status === 'active' ? true : undefined
  )
  const shown = await json('image', 'show', id)
  t.match(shown, { size: data.length, checksum: digest(data, 'md5') })
  t.match(shown.properties, { os_hash_value: digest(data, 'sha256'), stores: 'main' })
  const out = join(folder, 'out.raw')
  await ok('image', 'save', '--file', out, 'imported')
  t.ok((await readFile(out)).equals(data))
  await ok('image', 'delete', 'imported')
})

await testWith(t, 'CLI2 openstack: members', [missing], async (t) => {
  const { ok, json } = await openClient(t, (url) => openFront(t, url, withoutProjects))
  const project = '5e7e5e7e5e7e5e7e5e7e5e7e5e7e5e7e'
  const { id } = await json('image', 'create', 'shared')
  t.match(await json('image', 'list', '--shared'), [{ ID: id }])
  const added = await json('image', 'add', 'project', 'shared', project)
  t.match(added, { image_id: id, member_id: project, status: 'pending' })
  t.match(await json('image', 'member', 'list', 'shared'), [
    { 'Image ID': id, 'Member ID': project, Status: 'pending' }
  ])
  await ok('image', 'remove', 'project', 'shared', project)
  t.same(await json('image', 'member', 'list', 'shared'), [])
  await ok('image', 'set', '--public', 'shared')
  t.match(await json('image', 'list', '--public'), [{ ID: id }])
  await ok('image', 'delete', id)
})

await testWith(
  t,
  'CLI1 openstack: an image of 64 MiB, deactivated and back',
  [missing],
  async (t) => {
    const { run, ok, json, folder } = await openClient(t)
    const file = join(folder, 'big.raw')
    const data = Buffer.alloc(64 * 1024 * 1024, 'tank')
    await writeFile(file, data)
    const { id } = await json('image', 'create', '--file', file, 'big')
    await ok('image', 'set', '--deactivate', id)
    t.equal((await json('image', 'show', id)).status, 'deactivated')
    await ok('image', 'set', '--activate', id)
    const out = join(folder, 'big.out')
    t.equal((await run('image', 'save', '--file', out, id)).code, 0)
    t.equal(digest(await readFile(out), 'sha256'), digest(data, 'sha256'))
  }
)

/** What keystoneauth, which every OpenStack client uses, makes of an endpoint. */
const DISCOVER = `
import sys
from keystoneauth1 import discover, session
print(discover.Discover(session.Session(), sys.argv[1]).url_for('2'))
`

await testWith(t, 'VER7: discovery from the bare address and from /v2', [missing], async (t) => {
  const { tank } = await startAlone(t, {}, await sharedDatabase(t))
  for (const path of ['', '/', '/v2', '/v2/']) {
    const { code, stdout, stderr } = await runClient({
      program: DISCOVER,
      args: [`${tank.url}${path}`],
      env
    })
    t.equal(code, 0, `from '${path}'`, { stderr })
    t.equal(stdout.trim(), `${tank.url}/v2/`)
  }
})

/** Follows pages of two images by openstacksdk. */
const PAGES = `
import json, sys, openstack
cloud = openstack.connect(auth_type='none', endpoint=sys.argv[1])
print(json.dumps([image.name for image in cloud.image.images(limit=2, sort='name:asc')]))
`

await testWith(t, 'CLI10 openstacksdk: pages behind a path', [missing], async (t) => {
  const proxies = { trustedProxies: ['127.0.0.1'] }
  const { tank, images } = await startAlone(t, proxies, await sharedDatabase(t))
  const names = ['a', 'b', 'c', 'd', 'e']
  for (const name of names) await images.create({ name })
  const withoutPrefix = (path: string, outgoing: ServerResponse) => {
    if (/^\/image(\/|$)/.test(path)) return path.slice('/image'.length) || '/'
    outgoing.writeHead(404).end()
    return undefined
  }
  const front = await openFront(t, tank.url, withoutPrefix, {
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-prefix': '/image'
  })
  for (const endpoint of [`${front}/image`, `${front}/image/v2`]) {
    const { code, stdout, stderr } = await runClient({ program: PAGES, args: [endpoint], env })
    t.equal(code, 0, endpoint, { stderr })
    t.same(JSON.parse(stdout), names)
  }
})
