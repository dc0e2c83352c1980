import { randomUUID } from 'node:crypto'
import {
  link,
  lstat,
  mkdir,
  readFile,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile
} from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { isStoreError, type StoreErrorCode } from '@tank/store'
import t, { type Test } from 'tap'
import { openFsStore } from '../src/index.ts'
import {
  body,
  descriptors,
  files,
  MiB,
  noMount,
  noTracer,
  smallFileSystem,
  tracedPut
} from './surroundings.ts'

const tracing = skippedFor(noTracer())
const mounting = skippedFor(await noMount())

function skippedFor(reason: string | undefined): { skip?: string } {
  return reason === undefined ? {} : { skip: reason }
}

async function rejects(t: Test, run: Promise<unknown>, code: StoreErrorCode, about: string) {
  const error = await run.then(
    () => undefined,
    (error: unknown) => error
  )
  t.ok(isStoreError(error, code), `${about}: ${code}, got ${error}`)
}

function paths(root: string, key: string) {
  const dir = join(root, key.slice(0, 2))
  return { dir, final: join(dir, key), temp: join(dir, `${key}.partial`) }
}

t.test('S-26 nothing is reached through a link', async (t) => {
  const base = t.testdir({ outside: { secret: 'canary' }, images: {} })
  const root = join(base, 'images')
  const secret = join(base, 'outside', 'secret')
  const store = await openFsStore({ root })

  const linked = randomUUID()
  await mkdir(paths(root, linked).dir)
  await symlink(secret, paths(root, linked).final)
  await rejects(t, store.get(linked), 'FAILED', 'get of a symbolic link')
  await rejects(t, store.stat(linked), 'FAILED', 'stat of a symbolic link')
  await rejects(t, store.put(linked, body(10)), 'EXISTS', 'put onto a symbolic link')
  await store.delete(linked)
  t.equal(await readFile(secret, 'utf8'), 'canary', 'delete removed the link only')

  const hard = `a0${randomUUID().slice(2)}`
  await mkdir(paths(root, hard).dir, { recursive: true })
  await link(secret, paths(root, hard).final)
  await rejects(t, store.get(hard), 'FAILED', 'get of a file with a second name')
  await store.delete(hard)

  const other = `a1${randomUUID().slice(2)}`
  await mkdir(paths(root, other).final, { recursive: true })
  await rejects(t, store.get(other), 'FAILED', 'get of a directory')

  const waylaid = `a2${randomUUID().slice(2)}`
  await mkdir(paths(root, waylaid).dir)
  await symlink(secret, paths(root, waylaid).temp)
  await rejects(t, store.put(waylaid, body(10)), 'EXISTS', 'a link waits at the temporary name')
  t.equal(await readFile(secret, 'utf8'), 'canary')

  const key = `zz${randomUUID().slice(2)}`
  await symlink(join(base, 'outside'), join(root, 'zz'))
  await writeFile(join(base, 'outside', key), 'canary')
  await rejects(t, store.get(key), 'FAILED', 'get below a linked directory')
  await rejects(t, store.put(key, body(10)), 'FAILED', 'put below a linked directory')
  await rejects(t, store.delete(key), 'FAILED', 'delete below a linked directory')
  t.strictSame((await files(join(base, 'outside'))).sort(), [key, 'secret'].sort())
  await rejects(t, store.get('../outside/secret'), 'BAD_LOCATION', 'a key that climbs')
})

t.test('S-26 the root itself may be a link', async (t) => {
  const base = t.testdir({ real: {} })
  await symlink(join(base, 'real'), join(base, 'link'))
  const store = await openFsStore({ root: join(base, 'link') })
  await store.check?.()
  const key = randomUUID()
  await store.put(key, body(100))
  t.strictSame(await store.stat(key), { size: 100 })
  await store.delete(key)
})

t.test('S-26 an image may be read while its put publishes it', async (t) => {
  const root = t.testdir()
  const store = await openFsStore({ root })
  const key = randomUUID()
  await store.put(key, body(100))
  const { final, temp } = paths(root, key)
  // As a writer killed between `link` and `unlink` leaves it.
  await link(final, temp)
  t.strictSame(await store.stat(key), { size: 100 })
  await store.delete(key)
  t.strictSame(await files(root), [])
})

t.test('S-40 a file in the making is private and has a name of its own', async (t) => {
  const root = join(t.testdir(), 'images')
  const store = await openFsStore({ root, fileMode: '0604', dirMode: '0705' })
  const key = randomUUID()
  const { dir, final, temp } = paths(root, key)
  const control = new AbortController()
  const stalled = new PassThrough()
  stalled.write(Buffer.alloc(3 * MiB))
  const put = store.put(key, stalled, { signal: control.signal })
  await sleep(100)
  t.equal((await stat(temp)).mode & 0o777, 0o600)
  await t.rejects(lstat(final), { code: 'ENOENT' })
  await rejects(t, store.put(key, body(1)), 'EXISTS', 'a second put meanwhile')
  control.abort(new Error('enough'))
  await t.rejects(put, { message: 'enough' })
  t.strictSame(await files(root), [])
  await store.put(key, body(1))
  t.equal((await stat(final)).mode & 0o777, 0o604)
  t.equal((await stat(dir)).mode & 0o777, 0o705)
  t.equal((await stat(root)).mode & 0o777, 0o705)
})

t.test('a key that is deleted while it is written stays empty', async (t) => {
  const root = t.testdir()
  const store = await openFsStore({ root })
  const key = randomUUID()
  const [first, second] = [new PassThrough(), new PassThrough()]
  const one = store.put(key, first)
  first.write(Buffer.alloc(MiB))
  await sleep(50)
  await store.delete(key)
  first.end()
  await rejects(t, one, 'FAILED', 'the put whose file was deleted')
  t.strictSame(await files(root), [])

  const two = store.put(key, second)
  second.write(Buffer.alloc(MiB))
  await sleep(50)
  await unlink(paths(root, key).temp)
  // A later put of the same key: its half-written file must not be published by the earlier one.
  await writeFile(paths(root, key).temp, 'half')
  second.end()
  await rejects(t, two, 'FAILED', 'the put whose file was exchanged')
  await rejects(t, store.get(key), 'NOT_FOUND', 'nothing was published')
})

t.test('a file that is cut while it is read ends with an error', async (t) => {
  const root = t.testdir()
  const store = await openFsStore({ root })
  for (const way of ['body', 'pump'] as const) {
    const key = randomUUID()
    await store.put(key, body(8 * MiB))
    const image = await store.get(key)
    await truncate(paths(root, key).final, 3 * MiB)
    const to = new Writable({ write: (_chunk, _encoding, done) => done() })
    const read = async () => {
      if (way === 'pump') await image.pump?.(to)
      else for await (const _chunk of image.body);
    }
    await rejects(t, read(), 'FAILED', way)
    await sleep(10)
  }
  t.equal(await descriptors(root), 0, 'no file is left open')
})

t.test('where the root cannot be used', async (t) => {
  const base = t.testdir({ file: 'not a directory' })
  const away = await openFsStore({ root: join(base, 'mnt', 'images') })
  for (const call of [
    () => away.check?.() ?? Promise.resolve(),
    () => away.put(randomUUID(), body(1)),
    () => away.get(randomUUID()),
    () => away.delete(randomUUID())
  ]) {
    await rejects(t, call(), 'UNAVAILABLE', 'the directory above the root is missing')
  }
  const file = await openFsStore({ root: join(base, 'file') })
  await rejects(t, Promise.resolve(file.check?.()), 'FAILED', 'the root is a file')

  const unmounted = await openFsStore({ root: '/', requireMount: true })
  await rejects(t, Promise.resolve(unmounted.check?.()), 'UNAVAILABLE', 'nothing is mounted')
  await rejects(t, unmounted.delete(randomUUID()), 'UNAVAILABLE', 'delete does not say gone')

  const fresh = await openFsStore({ root: join(base, 'new') })
  await fresh.check?.()
  t.equal((await stat(join(base, 'new'))).mode & 0o777, 0o750)
  t.strictSame(await files(join(base, 'new')), [], 'the probe is gone')
})

t.test('a read-only file system gives DENIED', mounting, async (t) => {
  const small = await smallFileSystem(2 * MiB, ',ro')
  t.teardown(small.remove)
  const store = await openFsStore({ root: small.path, requireMount: true })
  await rejects(t, Promise.resolve(store.check?.()), 'DENIED', 'check')
  await rejects(t, store.put(randomUUID(), body(1)), 'DENIED', 'put')
  await rejects(t, store.get(randomUUID()), 'NOT_FOUND', 'get')
})

t.test('S-40 a full file system gives FULL and keeps nothing', mounting, async (t) => {
  const small = await smallFileSystem(2 * MiB)
  t.teardown(small.remove)
  const store = await openFsStore({ root: small.path, blockSize: 65_536 })
  const kept = randomUUID()
  await store.put(kept, body(MiB))
  for (const size of [MiB + 65_536, 64 * MiB]) {
    await rejects(t, store.put(randomUUID(), body(size)), 'FULL', `${size} bytes`)
    t.strictSame(await files(small.path), [kept])
  }
  await store.put(randomUUID(), body(MiB / 2))
  await writeFile(join(small.path, 'filler'), Buffer.alloc(MiB)).catch(() => {})
  await rejects(t, Promise.resolve(store.check?.()), 'FULL', 'check')
  await store.delete(kept)
  await store.delete(kept)
})

t.test(
  'S-40 each failing system call means what it says and leaves nothing',
  tracing,
  async (t) => {
    const root = join(t.testdir(), 'images')
    const faults: readonly (readonly [string, string])[] = [
      ['pwritev:error=ENOSPC:when=2', 'FULL'],
      ['pwritev:error=EDQUOT:when=1', 'FULL'],
      ['pwritev:error=EFBIG:when=2', 'TOO_LARGE'],
      ['pwritev:error=EIO:when=2', 'FAILED'],
      ['fdatasync:error=EIO:when=1', 'FAILED'],
      ['fdatasync:error=ENOSPC:when=2+', 'FULL'],
      ['fchmod:error=EIO', 'FAILED'],
      ['link:error=EACCES', 'DENIED'],
      ['link:error=EROFS', 'DENIED'],
      ['link:error=EPERM', 'UNSUPPORTED'],
      ['link:error=EDQUOT', 'FULL'],
      ['unlink:error=EIO:when=1', 'FAILED'],
      ['fsync:error=EIO:when=2', 'FAILED']
    ]
    await tracedPut(root, randomUUID(), 1)
    for (const [inject, code] of faults) {
      const before = (await files(root)).length
      const { end } = await tracedPut(root, randomUUID(), 4 * MiB, inject)
      t.equal(end, code, inject)
      t.equal((await files(root)).length, before, `${inject} leaves nothing`)
    }
  }
)

t.test('S-40 a writer killed at each system call leaves all or nothing', tracing, async (t) => {
  const root = join(t.testdir(), 'images')
  const store = await openFsStore({ root })
  const whole = Buffer.alloc(4 * MiB, 0x41)
  await store.check?.()
  for (const step of [
    'mkdir:when=1',
    'pwritev:when=1',
    'pwritev:when=2',
    'fdatasync:when=1',
    'fdatasync:when=2',
    'fchmod:when=1',
    'link:when=1',
    'unlink:when=1',
    'fsync:when=1',
    'fsync:when=2'
  ]) {
    const key = randomUUID()
    const inject = step.replace(':', ':signal=SIGKILL:')
    const { end } = await tracedPut(root, key, whole.length, inject)
    t.equal(end, '', `${step} ends the writer`)
    const found = await store.get(key).catch((error: unknown) => error)
    if (!isStoreError(found, 'NOT_FOUND')) {
      t.ok(whole.equals(await readFile(paths(root, key).final)), `${step}: the image is whole`)
    }
    await store.delete(key)
    t.strictSame(await files(root), [], `${step}: delete takes away the rest`)
  }
})

t.test(
  'S-40 the bytes are on the disk before the name, and the name before the end',
  tracing,
  async (t) => {
    const root = join(t.testdir(), 'images')
    await (await openFsStore({ root })).check?.()
    const { end, calls } = await tracedPut(root, randomUUID(), 4 * MiB)
    t.equal(end, 'STORED')
    const named = calls.findIndex((call) => call.startsWith('link'))
    t.ok(named > calls.lastIndexOf('fdatasync') && named > 0, 'flushed before the name')
    t.ok(calls.lastIndexOf('fdatasync') > calls.lastIndexOf('pwritev'), 'flushed after all writes')
    t.ok(calls.filter((call) => call === 'fdatasync').length >= 3, 'flushed early as well')
    t.ok(calls.lastIndexOf('fsync') > named, 'the directory flushed after the name')
    t.ok(calls.indexOf('fsync') > calls.indexOf('mkdir'), 'the root flushed after its directory')
  }
)

t.test('a failing put leaves no descriptor open', async (t) => {
  const root = t.testdir()
  const store = await openFsStore({ root })
  const key = randomUUID()
  await store.put(key, body(10))
  for (let round = 0; round < 20; round += 1) {
    await store.put(key, body(10)).catch(() => {})
    await store.put(randomUUID(), body(10), { size: 11 }).catch(() => {})
    await store.get(key, { range: { offset: 5, length: 6 } }).catch(() => {})
    await store.get(key, { signal: AbortSignal.timeout(0) }).then(
      ({ body }) => body.destroy(),
      () => {}
    )
  }
  await sleep(50)
  t.equal(await descriptors(root), 0)
})
