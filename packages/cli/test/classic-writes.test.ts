import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { serve } from './fake-services.ts'
import { folder, sleep } from './programs.ts'
import { type Answers, startService, tank } from './service.ts'

t.setTimeout(120_000)

const bytes = Buffer.alloc(5120, 'x')
const mirror = createServer((request, reply) => {
  if (request.url?.startsWith('/disk')) reply.writeHead(200, { 'content-length': bytes.length })
  else reply.writeHead(404)
  reply.end(request.method === 'HEAD' || reply.statusCode === 404 ? '' : bytes)
})
t.teardown(() => mirror.close())
mirror.listen(0, '127.0.0.1')
await once(mirror, 'listening')
const { port } = mirror.address() as AddressInfo
const disk = `http://127.0.0.1:${port}/disk`

const root = folder(t)
const service = await startService({
  api: {
    defaultStore: 'main',
    stores: {
      main: { use: '@tank/store-fs', root: join(root, 'main') },
      web: { use: '@tank/store-http', allowHttp: true, ports: [port], allow: ['127.0.0.1'] }
    },
    cache: { maxSize: 10_000_000, stores: ['main'] }
  }
})
const run = (args: string[], input = '', who: 'A' | 'B' | 'admin' = 'admin') =>
  tank(args, { env: service.env(who), input: Buffer.from(input) })
const FORMATS = ['disk_format=raw', 'container_format=ovf']
const ADDED = /^Added new image with ID: ([0-9a-f-]{36})$/m

async function added(fields: string[], input = '', who: 'A' | 'B' | 'admin' = 'admin') {
  const { out } = await run(['add', ...FORMATS, ...fields], input, who)
  const [, id] = ADDED.exec(out) ?? []
  if (id === undefined) throw new Error(out)
  return id
}

/** A line of the block of an image. */
async function line(id: string, name: string): Promise<string | undefined> {
  const { out } = await run(['show', id])
  return new RegExp(`^${name}: (.*)$`, 'm').exec(out)?.[1]
}

t.test('V1-86 V1-87 added from standard input, listed, deleted by force', async (t) => {
  const { code, out, err } = await run(['add', 'name=Mine', ...FORMATS], 'abc')
  t.match({ code, out, err }, { code: 0, out: ADDED, err: '' })
  const [, id = ''] = ADDED.exec(out) ?? []
  t.match((await run(['index', 'name=Mine'])).out, new RegExp(`^${id} Mine .* +3\n$`, 'm'))
  const gone = await run(['delete', id])
  t.match(gone, { code: 1, out: /Nothing was deleted/ }, 'nobody is there to say yes')
  const say = (answers: Answers) => tank(['delete', id], { env: service.env('admin'), answers })
  const prompt = `Delete image ${id}? [y/N] `
  t.match(await say([[prompt, '']]), { code: 1, out: /Nothing was deleted/ })
  t.equal(await line(id, 'Status'), 'active')
  t.match(await run(['delete', '--force', id]), { code: 0, out: `Deleted image ${id}\n`, err: '' })
  t.equal((await run(['index', 'name=Mine'])).out, '')
  const other = await added(['name=answered'])
  const yes = await tank(['delete', other], {
    env: service.env('admin'),
    answers: [[`Delete image ${other}? [y/N] `, 'YES']]
  })
  t.match(yes, { code: 0, out: `Deleted image ${other}\n` })
})

t.test('V1-88 V1-89 what is private, becomes public and gets a name', async (t) => {
  const id = await added(['name=hidden', 'color=red'], 'abc')
  const seen = async (name: string) => (await run(['index', `name=${name}`], '', 'B')).out
  t.equal(await seen('hidden'), '')
  const updated = await run(['update', id, 'is_public=True'])
  t.match(updated, { code: 0, out: `Updated image ${id}\n`, err: '' })
  t.match(await seen('hidden'), new RegExp(id))
  t.match(await run(['update', id, 'name=renamed', 'a=b=c,']), { code: 0 })
  const { out } = await run(['show', id])
  t.match(out, /^Name: renamed$/m)
  t.match(out, /^Property 'a': b=c$/m, 'the first = separates, a comma at the end is cut')
  t.notMatch(out, /color/, 'what is named is all of the properties')
  t.match(await run(['update', id, 'x=y'], '', 'B'), {
    code: 1,
    out: /^You do not have permission/
  })
  t.match(await run(['delete', id, '-f'], '', 'B'), { code: 1, out: /^You do not have permission/ })
})

t.test(
  'V1-91 an addition that fails says so; nothing is reserved for want of formats',
  async (t) => {
    const before = (await run(['index', 'name=bad'])).out
    const failed = await run(
      ['add', 'name=bad', 'disk_format=nonsense', 'container_format=bare'],
      'a'
    )
    t.match(failed, { code: 1, out: /^Failed to add image\.\n.*nonsense/ })
    const missing = await run(['add', 'name=bad'], 'a')
    t.match(missing, {
      code: 1,
      out: /^Failed to add image\.\n.*needs disk_format and container_form/
    })
    t.equal((await run(['index', 'name=bad'])).out, before)
    t.match(await run(['add', 'bad'], 'a'), { code: 1, out: /field=value, not "bad"/ })
    t.match(await run(['add', 'min_ram=x'], ''), { code: 1, out: /min_ram is a number, not "x"/ })
    t.match(await run(['add', 'checksum=1'], ''), { code: 1, out: /checksum is for .* location/ })
  }
)

t.test('V1-97 a location wins over standard input', async (t) => {
  const id = await added(['name=there', `location=${disk}`], 'other bytes')
  t.equal(await line(id, 'Status'), 'active')
  t.equal(await line(id, 'Size'), '5120')
})

t.test('V1-98 V1-102 the owner that an administrator chooses, and takes away', async (t) => {
  const id = await added(['name=owned', 'owner=42'])
  t.equal(await line(id, 'Owner'), '42')
  t.notMatch((await run(['show', id])).out, /Property 'owner'/)
  t.match(await run(['update', id, 'owner=']), { code: 0 })
  t.equal(await line(id, 'Owner'), undefined)
})

t.test('V1-99 a queued image becomes active by a location, or by a copy', async (t) => {
  const [first, second] = [await added(['name=first']), await added(['name=second'])]
  t.equal(await line(first, 'Status'), 'queued')
  t.match(await run(['update', first, `location=${disk}`]), { code: 0 })
  t.match([await line(first, 'Status'), await line(first, 'Size')], ['active', '5120'])
  t.match(await run(['update', second, `copy_from=${disk}`]), { code: 0 })
  const deadline = Date.now() + 30_000
  while ((await line(second, 'Status')) !== 'active' && Date.now() < deadline) await sleep(100)
  t.match([await line(second, 'Status'), await line(second, 'Size')], ['active', '5120'])
})

t.test('V1-100 what cannot be set is dropped with a notice', async (t) => {
  const { code, out } = await run(['add', 'name=sized', 'size=99', 'status=x', ...FORMATS], 'abc')
  t.equal(code, 0)
  t.match(
    out,
    /^Found non-settable field status. Removing.\nFound non-settable field size. Removing.\n/
  )
  const [, id = ''] = ADDED.exec(out) ?? []
  t.equal(await line(id, 'Size'), '3')
  const updated = await run(['update', id, 'deleted=True', 'min_ram=1'])
  t.match(updated.out, /^Found non-modifiable field deleted. Removing.\nUpdated image/)
})

t.test('V1-101 members', async (t) => {
  const id = await added(['name=shared'], 'abc', 'A')
  const call = (...args: string[]) => run(args, '', 'A')
  t.match(await call('member-add', id, 'B', '--can-share'), { code: 0, out: '', err: '' })
  t.match(await call('member-add', id, 'C'), { code: 0, out: '' })
  t.equal((await call('image-members', id)).out, 'B *\nC\n\n(*: Can share image)\n')
  const given = await run(['member-images', 'B'], '', 'B')
  t.equal(given.out, `${id} *\n\n(*: Can share image)\n`)
  t.match(await call('members-replace', id, 'D', '--dry-run'), { code: 0, out: /D\n$/ })
  t.match(await call('members-replace', id, 'D', '--can-share'), { code: 0, out: '' })
  t.equal((await call('image-members', id)).out, 'D *\n\n(*: Can share image)\n')
  t.match(await call('member-delete', id, 'D'), { code: 0, out: '' })
  t.equal((await call('image-members', id)).out, '')
  t.match(await call('member-add', id), { code: 2, err: /Say MEMBER/ })
  const url = await serve(t, () => process.kill(process.pid, 'SIGINT'))
  t.match(await call('members-replace', id, 'D', '-U', url), { code: 130 }, 'Ctrl-C ends it')
})

t.test('tank upload: public, its formats by the type', async (t) => {
  const file = join(root, 'vmlinuz')
  writeFileSync(file, bytes)
  const { code, out } = await run(['upload', '--type', 'kernel', '--ramdisk', 'r-1', file, 'k'])
  t.equal(code, 0)
  const [, id = ''] = ADDED.exec(out) ?? []
  t.match(out, /^ {19}disk_format => aki$/m)
  const shown = (await run(['show', id])).out
  t.match(shown, /^Public: Yes$[\s\S]*^Container format: aki$/m)
  t.match(shown, /^Property 'ramdisk_id': r-1$/m)
  t.match(shown, /^Property 'type': kernel$/m)
  t.match(await run(['upload', file, 'k'], '', 'A'), { code: 1, out: /^Failed to add image\./ })
  t.match(await run(['upload', '--type', 'x', file, 'k']), { code: 2, err: /--type is one of/ })
  t.match(await run(['upload', join(root, 'none'), 'k']), { code: 1, out: /there is no file/ })
})

t.test('V1-84 the cache: listed, queued, removed; a service without one', async (t) => {
  const id = await added(['name=cached'], 'abc')
  const cache = (...args: string[]) => run(['cache-manage', ...args])
  t.equal((await cache('list-cached')).out, 'No cached images\n')
  t.match(await cache('queue-image', id), { code: 1, out: /Nothing was done/ })
  t.match(await cache('queue-image', id, '-f'), { code: 0, out: '' })
  const deadline = Date.now() + 30_000
  const until = async (verb: string, wanted: RegExp) => {
    let shown = ''
    while (!wanted.test(shown) && Date.now() < deadline) {
      shown = (await cache(verb)).out
      await sleep(100)
    }
    t.match(shown, wanted)
  }
  await until('list-cached', /^Found 1 cached images\.\.\.\nID {35}Last Accessed/)
  await until('list-queued', /^No queued images\n$/)
  t.match((await cache('list-cached')).out, new RegExp(`^${id} .* +3 +\\d+\n$`, 'm'))
  t.match(await cache('delete-cached-image', id, '-f', '-v'), {
    code: 0,
    out: /^Deleted cached image/
  })
  t.equal((await cache('list-cached')).out, 'No cached images\n')
  t.match(await cache('delete-all-cached-images', '-f', '-v'), { code: 0, out: /Deleted 0 cached/ })
  t.match(await cache('delete-all-queued-images', '-f'), { code: 0, out: '' })
  const none = createServer((_request, reply) => reply.writeHead(404).end('404 Not Found'))
  t.teardown(() => none.close())
  none.listen(0, '127.0.0.1')
  await once(none, 'listening')
  const url = `http://127.0.0.1:${(none.address() as AddressInfo).port}`
  const said = await cache('list-cached', '-U', url)
  t.match(said, { code: 1, out: 'Cache management middleware not enabled on host 127.0.0.1\n' })
  t.match(await cache('drop'), { code: 2, err: /Say one of list-cached/ })
})

t.test(
  'V1-92 clear empties the list, whatever its length; what is protected is named',
  async (t) => {
    const env = service.env('B')
    const as = (args: string[], input = '') => tank(args, { env, input: Buffer.from(input) })
    const ids: string[] = []
    for (let n = 0; n < 4; n++) {
      const { out } = await as(['add', `name=c${n}`, ...FORMATS, `protected=${n === 0}`])
      ids.push(ADDED.exec(out)?.[1] ?? '')
    }
    t.match(await as(['clear']), { code: 1, out: /Nothing was deleted/ })
    t.match(await as(['clear', '--dry-run']), { code: 0, out: /would be deleted/ })
    const left = await as(['clear', '--force', '--limit', '2'])
    t.equal(left.code, 1)
    t.match(left.out, new RegExp(`^Image ${ids[0]} is left: .*\n`, 'm'))
    t.match(await as(['update', ids[0] ?? '', 'protected=False']), { code: 0 })
    await as(['clear', '--force'])
    for (const id of ids) t.match(await as(['show', id]), { code: 1 })
  }
)
