import { isStoreError, newKey, type StoredEntry, type StoreErrorCode } from '@tank/store'
import t, { type Test } from 'tap'
import { type ChaseStoreOptions, openChaseStore } from '../src/index.ts'
import { collect, pattern, source } from './bodies.ts'
import { type Backend, servers } from './surroundings.ts'

t.setTimeout(300_000)

const SEGMENT = 65_536

async function rejects(t: Test, run: Promise<unknown>, code: StoreErrorCode, about: string) {
  const error = await run.then(
    () => undefined,
    (error: unknown) => error
  )
  t.ok(isStoreError(error, code), `${about}: ${code}, got ${error}`)
  return error instanceof Error ? error.message : ''
}

async function openStore(t: Test, backend: Backend, options: Partial<ChaseStoreOptions> = {}) {
  const store = await openChaseStore({ ...backend.options, segmentSize: SEGMENT, ...options })
  t.teardown(() => store.close?.())
  return store
}

async function entries(store: { list(): AsyncIterable<StoredEntry> }): Promise<StoredEntry[]> {
  const found: StoredEntry[] = []
  for await (const entry of store.list()) found.push(entry)
  return found
}

for (const server of servers()) {
  t.test(server.name, server.skip === undefined ? {} : { skip: server.skip }, async (t) => {
    const backend = await server.open()
    t.teardown(() => backend.close())

    t.test('images of all sizes about a segment, declared or not', async (t) => {
      const store = await openStore(t, backend)
      for (const size of [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 3 * SEGMENT + 7]) {
        const bytes = pattern(size)
        for (const declared of [{ size }, {}]) {
          const key = newKey()
          t.strictSame(await store.put(key, source(bytes), declared), { size })
          t.strictSame(await store.stat(key), { size })
          const image = await store.get(key)
          t.equal(image.size, size)
          t.ok(bytes.equals(await collect(image.body)), `${size} bytes`)
          const names = await backend.names()
          const segments = size <= SEGMENT ? 0 : Math.ceil(size / SEGMENT)
          t.equal(names.length, 1 + segments, `${segments} segments`)
          t.ok(names.every((name) => name === key || name.startsWith(`${key}.segments/`)))
          await store.delete(key)
          t.strictSame(await backend.names(), [])
        }
      }
    })

    t.test('parts that begin and end in different segments', async (t) => {
      const store = await openStore(t, backend)
      const key = newKey()
      const bytes = pattern(4 * SEGMENT + 100)
      await store.put(key, source(bytes))
      for (const [offset, length] of [
        [SEGMENT - 1, 2],
        [SEGMENT, SEGMENT],
        [10, 3 * SEGMENT],
        [4 * SEGMENT + 99, 1]
      ] as const) {
        const part = await store.get(key, { range: { offset, length } })
        t.equal(part.size, bytes.length)
        t.ok(bytes.subarray(offset, offset + length).equals(await collect(part.body)))
      }
      const beyond = { offset: 4 * SEGMENT, length: 101 }
      await rejects(t, store.get(key, { range: beyond }), 'BAD_RANGE', 'one byte past the end')
      await store.delete(key)
    })

    t.test('a taken key gives EXISTS and keeps its bytes', async (t) => {
      const store = await openStore(t, backend)
      for (const size of [10, 2 * SEGMENT]) {
        const key = newKey()
        const bytes = pattern(size)
        await store.put(key, source(bytes))
        const before = await backend.names()
        for (const other of [5, 3 * SEGMENT]) {
          await rejects(t, store.put(key, source(pattern(other))), 'EXISTS', 'a second put')
        }
        t.ok(bytes.equals(await collect((await store.get(key)).body)))
        t.strictSame(await backend.names(), before)
        await store.delete(key)
      }
    })

    t.test('an image of which a segment is missing ends with an error', async (t) => {
      // The RADOS Gateway stops sending then, without ending.
      const store = await openStore(t, backend, { stallTimeout: 1_000, answerTimeout: 3_000 })
      for (const missing of [0, 2]) {
        const key = newKey()
        await store.put(key, source(pattern(4 * SEGMENT)))
        const segments = (await backend.names()).filter((name) => name.includes('/'))
        const name = `/${backend.container}/${segments[missing]}`
        t.ok((await backend.request('DELETE', name)).ok)
        const error = await store.get(key).then(
          ({ body }) => collect(body).then(String, (error: unknown) => error),
          (error: unknown) => error
        )
        t.ok(isStoreError(error), `segment ${missing} is missing: ${error}`)
        await store.delete(key)
        t.strictSame(await backend.names(), [])
      }
    })

    t.test('a copy survives its original', async (t) => {
      const store = await openStore(t, backend)
      for (const size of [0, 7, SEGMENT, 3 * SEGMENT + 1]) {
        const [from, to] = [newKey(), newKey()]
        const bytes = pattern(size)
        await store.put(from, source(bytes))
        t.strictSame(await store.copy(from, to), { size })
        await rejects(t, store.copy(from, to), 'EXISTS', 'a second copy')
        await store.delete(from)
        t.ok(bytes.equals(await collect((await store.get(to)).body)), `${size} bytes`)
        const again = newKey()
        t.strictSame(await store.copy(to, again), { size }, 'a copy of the copy')
        await store.delete(to)
        t.ok(bytes.equals(await collect((await store.get(again)).body)))
        await store.delete(again)
        t.strictSame(await backend.names(), [])
      }
    })

    t.test('list groups what belongs to a key, and leaves out what is not ours', async (t) => {
      const store = await openStore(t, backend, { prefix: 'im/' })
      const put = (name: string) => backend.request('PUT', `/${backend.container}/${name}`)
      const keys = { a: 2 * SEGMENT, 'a-b': 3 * SEGMENT, 'a-b-c': 5, ab: 3 * SEGMENT + 1 }
      for (const [key, size] of Object.entries(keys)) await store.put(key, source(pattern(size)))
      await Promise.all(['x', 'im/README.md', 'im/A', 'im/a/b', 'im/.probe'].map(put))
      await put('im/a-.segments/other/00000001')
      const found = await entries(store)
      const sizes = Object.fromEntries(found.map(({ key, size }) => [key, size]))
      t.strictSame(sizes, { ...keys, 'a-': 0 })
      t.equal(found.length, 5, 'each key once')
      t.strictSame(
        found.filter(({ complete }) => !complete).map(({ key }) => key),
        ['a-']
      )
      const ages = found.map(({ modified }) => Date.now() - Number(modified))
      t.ok(ages.every((age) => Math.abs(age) < 60_000, 'times are UTC'))
      for (const key of [...Object.keys(keys), 'a-']) await store.delete(key)
      t.strictSame(await entries(store), [])
      const left = ['im/.probe', 'im/A', 'im/README.md', 'im/a/b', 'x']
      t.strictSame(await backend.names(), left, 'delete touched nothing else')
      for (const name of left) await backend.request('DELETE', `/${backend.container}/${name}`)
    })

    t.test('S-47 a signed URL with another signature or time is refused', async (t) => {
      const store = await openStore(t, backend, { tempUrlKey: backend.tempUrlKey })
      const forger = await openStore(t, backend, { tempUrlKey: 'a-guess' })
      t.equal((await openStore(t, backend)).presign, undefined, 'none without a key')
      await store.check()
      const said = await rejects(t, forger.check(), 'DENIED', 'check')
      t.match(said, /does not accept signed URLs \(40[13]\): is tempUrlKey the Temp-URL-Key/)
      t.strictSame(await backend.names(), [])
      const key = newKey()
      await store.put(key, source(Buffer.from('hello')))
      const url = await store.presign?.(key, { seconds: 60 })
      t.equal(await (await fetch(url ?? '')).text(), 'hello')
      const forged = await forger.presign?.(key, { seconds: 60 })
      t.ok([401, 403].includes((await fetch(forged ?? '')).status))
      const later = new URL(url ?? '')
      later.searchParams.set('temp_url_expires', String(Number.MAX_SAFE_INTEGER))
      t.ok([401, 403].includes((await fetch(later)).status))
      await store.delete(key)
    })

    t.test('a missing container is not an empty one, and can be made', async (t) => {
      const container = `${backend.container}-other`
      const away = await openStore(t, backend, { container })
      const key = newKey()
      const said = await rejects(t, away.check(), 'DENIED', 'check')
      t.match(said, `there is no container "${container}": make it, or set createContainer`)
      for (const [about, run] of Object.entries({
        stat: () => away.stat(key),
        get: () => away.get(key),
        put: () => away.put(key, source(pattern(10))),
        'a large put': () => away.put(key, source(pattern(3 * SEGMENT))),
        delete: () => away.delete(key),
        copy: () => away.copy(key, newKey()),
        list: () => entries(away)
      })) {
        await rejects(t, run(), 'DENIED', about)
      }
      const made = await openStore(t, backend, { container, createContainer: true })
      await made.check()
      await made.put(key, source(pattern(10)))
      t.strictSame(await away.stat(key), { size: 10 })
      await made.delete(key)
      await backend.request('DELETE', `/${container}`)
    })

    t.test('createContainer also works in the middle', async (t) => {
      const container = `${backend.container}-third`
      const store = await openStore(t, backend, { container, createContainer: true })
      const key = newKey()
      await store.put(key, source(pattern(3 * SEGMENT)))
      t.strictSame(await store.stat(key), { size: 3 * SEGMENT })
      await store.delete(key)
      await backend.request('DELETE', `/${container}`)
    })

    if (server.name === 'Swift') {
      t.test('a container whose quota is used up is FULL, and holds nothing', async (t) => {
        const quota = (bytes: string) =>
          backend.request('POST', `/${backend.container}`, {
            'x-container-meta-quota-bytes': bytes
          })
        const store = await openStore(t, backend)
        await quota('1000')
        for (const size of [1001, 3 * SEGMENT]) {
          await rejects(t, store.put(newKey(), source(pattern(size))), 'FULL', `${size} bytes`)
        }
        t.strictSame(await backend.names(), [])
        await quota('')
        await store.put('fits', source(pattern(1001)))
        await store.delete('fits')
      })
    }

    t.test('S-02 a wrong key is DENIED, and is not told to anybody', async (t) => {
      const store = await openStore(t, backend, { key: 'canary-key' })
      for (const run of [() => store.check(), () => store.get(newKey())]) {
        const error = await run().catch((error: unknown) => error)
        t.ok(isStoreError(error, 'DENIED'))
        t.match(error, { message: /does not accept the credentials \(401\): check user and key/ })
        t.notMatch(JSON.stringify(chain(error)), 'canary')
      }
    })
  })
}

function chain(error: unknown): unknown[] {
  const all = []
  for (let at = error; at instanceof Error; at = at.cause)
    all.push({ ...at, text: String(at.stack) })
  return all
}
