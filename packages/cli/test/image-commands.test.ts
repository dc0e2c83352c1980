import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { type Answers, startService, tank } from './service.ts'

t.setTimeout(120_000)

const service = await startService()
const asA = { env: service.env('A') }
const asB = { env: service.env('B') }
const asAdmin = { env: service.env('admin') }
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/

/** A sound qcow2 image with an empty disk of 1 MiB, and bytes that nobody reads. */
function openQcow2(): Buffer {
  const image = Buffer.alloc(4 * 65536)
  image.write('QFI\xfb', 'latin1')
  const words: [number, number][] = [
    [4, 3],
    [20, 16],
    [28, 1 << 20],
    [36, 1],
    [44, 3 * 65536],
    [52, 65536],
    [56, 1],
    [96, 4],
    [100, 104]
  ]
  for (const [at, value] of words) image.writeUInt32BE(value, at)
  return Buffer.concat([image, randomBytes(37_860)])
}

const bytes = randomBytes(300_000)
const qcow2 = openQcow2()

t.test('push makes an image of a file, pull brings it back', async (t) => {
  const dir = t.testdir()
  const file = join(dir, 'debian-12.qcow2')
  writeFileSync(file, qcow2)
  const pushed = await tank(['push', file, '--tag', 'lab', '-p', 'os_distro=debian'], asA)
  t.match(pushed, { code: 0, out: UUID }, pushed.err)
  t.match(pushed.err, /^taken as qcow2;/m)
  t.match(pushed.err, /^debian-12 is active: 293 KiB, sha256 [0-9a-f]{64}$/m)
  const shown = await tank(['image', 'show', 'debian-12', '-o', 'json'], asA)
  t.match(JSON.parse(shown.out), {
    id: pushed.out.trim(),
    disk_format: 'qcow2',
    container_format: 'bare',
    size: qcow2.length,
    tags: ['lab'],
    os_distro: 'debian'
  })
  const target = join(dir, 'copies')
  mkdirSync(target)
  const pulled = await tank(['pull', 'debian-12', '-o', target], asA)
  const copy = join(target, 'debian-12.qcow2')
  t.match(pulled, { code: 0, out: `${copy}\n`, err: /verified with sha256/ })
  t.ok(readFileSync(copy).equals(qcow2))
  const again = await tank(['pull', 'debian-12', '-o', copy], asA)
  t.match(again, { code: 1, err: /is there already. --force writes over it/ })
  writeFileSync(copy, 'old')
  t.match(await tank(['image', 'download', 'debian-12', '-o', copy, '--force'], asA), { code: 0 })
  t.ok(readFileSync(copy).equals(qcow2))
  t.same(readdirSync(target), ['debian-12.qcow2'], 'nothing else is left')
})

t.test('- is standard input and standard output, of any length', async (t) => {
  const input = [qcow2.subarray(0, 10), qcow2.subarray(10, 200_000), qcow2.subarray(200_000)]
  const pushed = await tank(['push', '-', '--name', 'piped'], { ...asA, input })
  t.match(pushed, { code: 0, out: UUID, err: /^taken as qcow2/ }, pushed.err)
  const pulled = await tank(['pull', 'piped', '-o', '-', '-q'], asA)
  t.match(pulled, { code: 0, err: '' })
  t.ok(pulled.bytes.equals(qcow2))
  t.match(await tank(['push', '-'], { ...asA, input }), { code: 2, err: /--name NAME/ })
  const empty = await tank(['push', '-', '--name', 'nothing'], asA)
  t.match(empty, { code: 0, err: /nothing is active: 0 B/ }, 'an empty one')
})

t.test('push leaves to Tank what only the end of a pipe tells', async (t) => {
  const input = [bytes.subarray(0, 100_000), bytes.subarray(100_000)]
  const args = ['push', '-', '--name', 'told later', '-o', 'value', '-c', 'disk_format']
  const pushed = await tank(args, { ...asA, input })
  t.match(pushed, { code: 0, out: 'raw\n' }, pushed.err)
  t.notMatch(pushed.err, /taken as/)
  t.match(await tank(['image', 'delete', 'told later', '--yes'], asA), { code: 0 })
})

t.test('a push that fails leaves no image', async (t) => {
  const before = (await tank(['image', 'list', '-o', 'value'], asA)).out
  const file = join(t.testdir(), 'x.raw')
  writeFileSync(file, bytes)
  const denied = await tank(['push', file, '--visibility', 'public'], asA)
  t.match(denied, { code: 4, out: '', err: /^tank: .* does not allow it: /m })
  const store = await tank(['push', file, '--store', 'nowhere', '--protect'], asA)
  t.match(store, { code: 1, out: '' }, store.err)
  t.equal((await tank(['image', 'list', '-o', 'value'], asA)).out, before)
})

t.test('create, upload, set, tag, untag', async (t) => {
  const file = join(t.testdir(), 'disk')
  writeFileSync(file, bytes)
  const made = await tank(
    ['image', 'create', 'later', '-f', 'raw', '-o', 'value', '-c', 'status'],
    asA
  )
  t.match(made, { code: 0, out: 'queued\n' }, made.err)
  t.match(await tank(['image', 'upload', 'later', file], asA), { code: 0, out: '' })
  const flags = [
    '-p',
    'a=b=c',
    '-p',
    'gone=1',
    '--min-ram',
    '512',
    '--protect',
    '--name',
    'renamed'
  ]
  const changed = await tank(['image', 'set', 'later', ...flags, '-o', 'json'], asA)
  t.match(JSON.parse(changed.out), { name: 'renamed', a: 'b=c', min_ram: 512, protected: true })
  const refused = await tank(['image', 'delete', 'renamed'], asA)
  t.match(refused, { code: 4, err: /does not allow it/ })
  t.equal((await tank(['image', 'tag', 'renamed', 'one', 'two'], asA)).code, 0)
  t.equal((await tank(['image', 'untag', 'renamed', 'one'], asA)).code, 0)
  const rest = ['--unprotect', '--remove-property', 'gone', '-o', 'json']
  const last = JSON.parse((await tank(['image', 'set', 'renamed', ...rest], asA)).out)
  t.match(last, { protected: false, tags: ['two'] })
  t.notOk('gone' in last)
  t.match(await tank(['image', 'delete', 'renamed'], asA), { code: 0, err: /^deleted renamed / })
  t.match(await tank(['image', 'show', 'renamed'], asA), { code: 3 })
})

t.test('what was done is no mistake because of a field that is not there', async (t) => {
  const shown = ['-o', 'value', '-c', 'absent,name']
  const told = { code: 0, err: /^There is no field "absent"\. There are: .*\bname\b/m }
  const pushed = await tank(['push', '-', '--name', 'one', ...shown], { ...asA, input: bytes })
  t.match(pushed, { ...told, out: '\none\n' })
  const changed = await tank(['image', 'set', 'one', '--name', 'two', ...shown], asA)
  t.match(changed, { ...told, out: '\ntwo\n' })
  const made = await tank(['image', 'create', 'three', ...shown], asA)
  t.match(made, { ...told, out: '\nthree\n' })
  t.match(await tank(['image', 'show', 'three', ...shown], asA), { code: 2, out: '' })
  t.match(await tank(['image', 'delete', 'two', 'three', '--yes'], asA), { code: 0 })
})

t.test('forms of a result', async (t) => {
  const list = async (...args: string[]) => (await tank(['image', 'list', ...args], asA)).out
  const rows = (await list('--sort', 'name:asc')).split('\n')
  t.match(rows[0], /^ID +NAME +STATUS +SIZE +DISK FORMAT +VISIBILITY$/)
  t.match(rows[1], /^[0-9a-f-]{36} +debian-12 +active +293 KiB +qcow2 +shared$/)
  t.equal(
    await list('--sort', 'name:asc', '-o', 'value', '-c', 'name,size', '-c', 'disk_format'),
    'debian-12\t300004\tqcow2\nnothing\t0\traw\npiped\t300004\tqcow2\n'
  )
  t.same(JSON.parse(await list('--name', 'piped', '-o', 'json', '-c', 'name')), [{ name: 'piped' }])
  t.same(parse(await list('--name', 'piped', '-o', 'yaml', '-c', 'name')), [{ name: 'piped' }])
  t.equal(await list('--property', 'os_distro=debian', '-o', 'value', '-c', 'name'), 'debian-12\n')
  t.equal(await list('--tag', 'none', '-o', 'value'), '')
  t.equal((await list('--limit', '2', '-o', 'value')).split('\n').length, 3)
  t.match(await tank(['image', 'list', '-c', 'nmae'], asA), { code: 2, err: /no field "nmae"/ })
  t.match(await tank(['image', 'list', '-o', 'xml'], asA), { code: 2, err: /--output is table/ })
  t.match(await tank(['image', 'list', '--sort', 'x'], asA), { code: 1 })
})

t.test('names that several images have, that none has, that steer a terminal', async (t) => {
  const name = 'two\u001b[2J'
  for (const id of [
    '00000000-0000-4000-8000-000000000001',
    '00000000-0000-4000-8000-000000000002'
  ]) {
    t.equal((await tank(['image', 'create', name, '--id', id], asA)).code, 0)
  }
  const several = await tank(['image', 'delete', name], asA)
  t.match(several, {
    code: 3,
    err: /^tank: 2 images are called two\ufffd\[2J. Say which one by its id:\nID .*\n0{8}-.*queued.*\n0{8}-/
  })
  t.notMatch(several.err, '\u001b')
  t.notMatch((await tank(['image', 'list'], asA)).out, '\u001b')
  t.match(await tank(['image', 'show', 'nobody'], asA), {
    code: 3,
    err: 'tank: no image has the name or id nobody. tank image list shows all.\n'
  })
  const both = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002']
  const unasked = await tank(['image', 'delete', ...both], asA)
  t.match(unasked, { code: 2, err: /Delete these 2 images\? Nobody is at a terminal/ })
  const answers: Answers = [['Delete these 2 images? [y/N] ', 'n']]
  const denied = await tank(['image', 'delete', ...both], { ...asA, answers })
  t.match(denied, { code: 1, err: /nothing was deleted/ })
  t.equal(denied.err.match(/0{8}-/g)?.length, 2, 'each is named once')
  t.match(await tank(['image', 'delete', ...both, 'nobody', '--yes'], asA), { code: 3 })
  t.equal((await tank(['image', 'show', both[0] ?? ''], asA)).code, 0, 'all or none')
  t.equal((await tank(['image', 'delete', ...both, '--yes'], asA)).code, 0)
  t.equal((await tank(['image', 'show', both[0] ?? ''], asA)).code, 3)
})

t.test('share, accept, reject, unshare', async (t) => {
  const sees = async () =>
    (await tank(['image', 'list', '-o', 'value', '-c', 'name'], asB)).out.includes('debian-12')
  t.equal((await tank(['image', 'show', 'debian-12'], asB)).code, 3)
  t.equal((await tank(['image', 'share', 'debian-12', 'B'], asA)).code, 0)
  t.notOk(await sees())
  t.match(await tank(['image', 'accept', 'debian-12'], asB), { code: 0 })
  t.ok(await sees())
  t.match((await tank(['image', 'members', 'debian-12'], asA)).out, /^B +accepted /m)
  t.equal((await tank(['image', 'reject', 'debian-12'], asB)).code, 0)
  t.notOk(await sees())
  t.equal((await tank(['image', 'unshare', 'debian-12', 'B'], asA)).code, 0)
  t.equal((await tank(['image', 'members', 'debian-12', '-o', 'value'], asA)).out, '')
})

t.test('deactivate and reactivate', async (t) => {
  const id = (await tank(['image', 'show', 'piped', '-o', 'value', '-c', 'id'], asA)).out.trim()
  t.equal((await tank(['image', 'deactivate', id], asAdmin)).code, 0)
  t.match(await tank(['pull', id, '-o', '-'], asA), { code: 4, out: '' })
  t.equal((await tank(['image', 'reactivate', id], asAdmin)).code, 0)
  t.equal((await tank(['pull', id, '-o', '-'], asA)).code, 0)
})

t.test('a mistake costs no request', async (t) => {
  const away = { env: { TANK_URL: 'http://127.0.0.1:1' } }
  const mistakes: [args: string[], says: RegExp][] = [
    [['image', 'shw', 'x'], /no command "image shw". Did you mean "image show"\?/],
    [['image', 'show'], /Say which image/],
    [['image', 'show', 'a', 'b'], /"b" is one word too many/],
    [['image', 'tag', 'a'], /Say which tag/],
    [['image', 'upload', 'a'], /which file/],
    [['image', 'upload', 'a', 'b', 'c'], /"c" is one word too many/],
    [['image', 'set', 'a'], /Say what is to change/],
    [['image', 'set', 'a', '-p', '=x'], /--property needs NAME=VALUE/],
    [['image', 'create', 'a', '-f', 'floppy'], /--disk-format is one of raw/],
    [['image', 'create', 'a', '--id', 'x'], /--id is a UUID/],
    [['image', 'list', '--limit', '0'], /--limit is at least 1/],
    [['image', 'list', '--url', 'ftp://x'], /no address of a service/],
    [['image', 'list', '--url', 'http://u:canary@x'], /no user and password/],
    [['image', 'list', '--profile', 'x'], /no profile "x" in .*it has none/],
    [['push', '/'], /is a folder/],
    [['image', 'delete'], /Say which image/]
  ]
  for (const [args, says] of mistakes) {
    const { code, out, err } = await tank(args, away)
    t.match({ code, out, err }, { code: 2, out: '', err: says }, args.join(' '))
    t.notMatch(err, /canary/)
  }
  const packed = join(t.testdir({ 'a.raw.gz': '' }), 'a.raw.gz')
  writeFileSync(packed, Buffer.from([0x1f, 0x8b, 8, 0]))
  t.match(await tank(['push', packed], away), {
    code: 2,
    err: /compressed by gzip. Unpack it first/
  })
  const absent = join(packed, '..', 'absent')
  t.match(await tank(['push', absent], away), {
    code: 1,
    err: `tank: there is no file ${absent}.\n`
  })
})
