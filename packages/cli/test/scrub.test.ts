import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { StoredPlacement } from '@tank/client'
import type { Store } from '@tank/store'
import t from 'tap'
import { verifyPlacement } from '../src/admin/verify-placement.ts'
import { startService, tank } from './service.ts'

t.setTimeout(120_000)

const service = await startService()
const env = service.env('A')
const scrub = (...args: string[]) => tank(['scrub', '--data-dir', service.dataDir, ...args])
const push = async (name: string, bytes: Buffer) => {
  const args = ['push', '-', '--name', name, '--disk-format', 'raw', '--quiet']
  const { code, out, err } = await tank(args, { env, input: bytes })
  if (code !== 0) throw new Error(err)
  return out.trim()
}

/** The file that has just these bytes. */
function fileOf(bytes: Buffer): string {
  const root = join(service.dataDir, 'images')
  const file = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .find((path) => readFileSync(path).equals(bytes))
  if (file === undefined) throw new Error('no such file')
  return file
}

const [good, flipped, cut, lost] = [3, 100_000, 5000, 77].map((size) => randomBytes(size)) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer
]

t.test('tank scrub finds every byte that is not as it was', async (t) => {
  await push('good', good)
  const well = await scrub()
  t.match(well, { code: 0, out: 'main: 1 well, 0 bad, 3 B read\n', err: '' })
  const ids = [await push('flipped', flipped), await push('cut', cut), await push('lost', lost)]
  t.match(await scrub('main'), { code: 0, out: /^main: 4 well, 0 bad/ })

  const changed = Buffer.from(flipped)
  changed[50_000] = (changed[50_000] ?? 0) ^ 1
  writeFileSync(fileOf(flipped), changed)
  truncateSync(fileOf(cut), 4000)
  rmSync(fileOf(lost))
  const found = await scrub('--quiet')
  t.equal(found.code, 1)
  const sha256 = createHash('sha256').update(changed).digest('hex')
  t.match(found.out, new RegExp(`BAD \\S+ of image ${ids[0]}: sha256 ${sha256} instead of`))
  t.match(found.out, new RegExp(`BAD \\S+ of image ${ids[1]}: 4000 bytes instead of 5000, sha256`))
  t.match(found.out, new RegExp(`BAD \\S+ of image ${ids[2]}: cannot be read: `))
  t.match(found.out, /^main: 1 well, 3 bad, /m)
  t.match(await tank(['image', 'show', 'flipped'], { env }), { code: 0 }, 'nothing is changed')

  for (const id of ids) await tank(['image', 'delete', id], { env })
  t.match(await scrub(), { code: 0, out: 'main: 1 well, 0 bad, 3 B read\n' }, 'garbage is none')
})

t.test('staged data is read, too, and called so', async (t) => {
  const created = await tank(['image', 'create', 'staged'], { env })
  t.equal(created.code, 0)
  const shown = await tank(['image', 'show', 'staged', '-o', 'json'], { env })
  const { id } = JSON.parse(shown.out)
  const bytes = randomBytes(500)
  const staged = await fetch(`${service.url}/v2/images/${id}/stage`, {
    method: 'PUT',
    headers: { 'x-auth-token': String(env.TANK_TOKEN), 'content-type': 'application/octet-stream' },
    body: new Uint8Array(bytes)
  })
  t.equal(staged.status, 204)
  truncateSync(fileOf(bytes), 400)
  const found = await scrub('--quiet')
  t.match(found.out, new RegExp(`BAD \\S+ of staged data of image ${id}: 400 bytes`))
  await tank(['image', 'delete', id], { env })
})

t.test('mistakes', async (t) => {
  t.match(await scrub('other'), { code: 2, err: /There is no store "other"/ })
  t.match(await scrub('--rate', '0'), { code: 2, err: /--rate/ })
  t.match(await scrub('main', '--after', 'x'), { code: 2, err: /--after/ })
  const id = '00000000-0000-4000-8000-000000000001'
  t.match(await scrub('--after', id), { code: 2, err: /say which/ })
  const last = 'ffffffff-ffff-4fff-8fff-ffffffffffff'
  t.match(await scrub('main', '--after', last), { code: 0, out: 'main: 0 well, 0 bad, 0 B read\n' })
})

const bytes = randomBytes(400_000)
const placement: StoredPlacement = {
  id: 'p',
  store: 'main',
  key: 'k',
  role: 'data',
  size: bytes.length,
  digests: {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    md5: createHash('md5').update(bytes).digest('hex'),
    'no-such-hash': 'x'
  },
  images: []
}

function storeOf(body: () => Readable): Store {
  return { get: async () => ({ size: undefined, body: body() }) } as unknown as Store
}

t.test('reading keeps to its rate, and ends when it is told to', async (t) => {
  const store = storeOf(() => Readable.from([bytes.subarray(0, 200_000), bytes.subarray(200_000)]))
  const { signal } = new AbortController()
  const began = performance.now()
  t.same(await verifyPlacement(store, placement, { signal, rate: 2_000_000 }), [])
  t.ok(performance.now() - began >= 190, '400,000 bytes at 2,000,000 in a second')
  const control = new AbortController()
  const reason = new Error('enough')
  const slow = verifyPlacement(store, placement, { signal: control.signal, rate: 1000 })
  setTimeout(() => control.abort(reason), 50)
  await t.rejects(slow, reason)
  const unknown = { ...placement, size: null, digests: { md5: placement.digests.md5 ?? '' } }
  t.same(await verifyPlacement(store, unknown, { signal, rate: undefined }), [])
  const other = { ...placement, digests: { md5: 'x' } }
  t.match(await verifyPlacement(store, other, { signal, rate: undefined }), [/^md5 \w{32} instead/])
})
