import { isStoreError, newKey, type StoreErrorCode } from '@tank/store'
import t, { type Test } from 'tap'
import { type ChaseStoreOptions, openChaseStore } from '../src/index.ts'
import { collect, pattern, source } from './bodies.ts'
import { Meddler, type Meddling, type Passing } from './meddler.ts'
import { type Backend, fakeServer, realServers } from './surroundings.ts'

t.setTimeout(300_000)
// each has its own server, and waits most of the time
t.jobs = 3

const SEGMENT = 65_536
const bytes = pattern(3 * SEGMENT + 5)

async function openMeddler(t: Test, backend: Backend, options: Partial<ChaseStoreOptions> = {}) {
  const meddler = await Meddler.open(backend.port)
  const given = { ...backend.through(meddler.port), segmentSize: SEGMENT, ...options }
  const store = await openChaseStore(given)
  t.teardown(async () => {
    await store.close?.()
    await meddler.close()
  })
  return { meddler, store }
}

function isImage(key: string, { method, path }: Passing): boolean {
  return method === 'PUT' && path.endsWith(`/${key}`)
}

for (const server of [...realServers(), fakeServer('a fake Swift')]) {
  t.test(server.name, server.skip === undefined ? {} : { skip: server.skip }, async (t) => {
    const backend = await server.open()
    t.teardown(() => backend.close())

    t.test('a storm in which five of six requests fail', async (t) => {
      const { meddler, store } = await openMeddler(t, backend)
      let turn = 0
      meddler.meddle = () => {
        turn += 1
        return turn % 6 === 0 ? undefined : { status: [503, 500, 502, 429, 498][turn % 5] ?? 503 }
      }
      const key = newKey()
      const two = bytes.subarray(0, SEGMENT + 5)
      t.strictSame(await store.put(key, source(two)), { size: two.length })
      t.ok(two.equals(await collect((await store.get(key)).body)))
      const keys = []
      for await (const entry of store.list()) keys.push(entry.key)
      t.strictSame(keys, [key])
      await store.delete(key)
      t.strictSame(await backend.names(), [])
    })

    t.test('a token that dies in the middle is renewed once for all', async (t) => {
      const { meddler, store } = await openMeddler(t, backend, { concurrency: 4 })
      let [segments, logins, isDead] = [0, 0, false]
      meddler.meddle = ({ method, path }) => {
        if (path.endsWith('/auth/v1.0')) {
          logins += 1
          isDead = false
        } else if (method === 'PUT' && path.includes('.segments/')) {
          segments += 1
          if (segments === 2) isDead = true
        }
        return isDead ? { status: 401 } : undefined
      }
      const key = newKey()
      t.strictSame(await store.put(key, source(bytes)), { size: bytes.length })
      t.equal(logins, 2)
      t.ok(bytes.equals(await collect((await store.get(key)).body)))
      await store.delete(key)
      t.strictSame(await backend.names(), [])
    })

    t.test('statuses have their meaning, and secrets are in none of the errors', async (t) => {
      const { meddler, store } = await openMeddler(t, backend, {
        maxAttempts: 2,
        tempUrlKey: 'canary-temp-url-key'
      })
      const key = newKey()
      await t.rejects(store.stat(key), { code: 'NOT_FOUND' })
      const token = meddler.seen.at(-1)?.token ?? ''
      const meanings: readonly [Meddling, StoreErrorCode][] = [
        [{ status: 401 }, 'DENIED'],
        [{ status: 403 }, 'DENIED'],
        [{ status: 413 }, 'TOO_LARGE'],
        [{ status: 413, text: 'Upload exceeds quota.' }, 'FULL'],
        [{ status: 507 }, 'FULL'],
        [{ status: 503 }, 'UNAVAILABLE'],
        [{ status: 422 }, 'FAILED'],
        [{ status: 301, headers: { location: 'http://127.0.0.1:1/' } }, 'FAILED'],
        [{ status: 400 }, 'FAILED']
      ]
      for (const [meddling, code] of meanings) {
        const { status, text = '' } = meddling as { status: number; text?: string }
        const words = `${text} ${token} ${backend.options.key} canary-temp-url-key`
        meddler.meddle = ({ method, path }) =>
          method === 'PUT' && path.includes(key)
            ? { ...(meddling as object), status, text: words }
            : undefined
        for (const body of [bytes.subarray(0, 10), bytes]) {
          const error = await store.put(key, source(body)).catch((error: unknown) => error)
          t.ok(isStoreError(error, code), `${status}: ${code}, got ${error}`)
          const told = JSON.stringify(chain(error))
          for (const secret of [token, backend.options.key ?? '', 'canary']) {
            t.notMatch(told, secret, 'S-02')
          }
        }
        meddler.meddle = () => undefined
        t.strictSame(await backend.names(), [], 'nothing is left')
      }
    })

    t.test('an answer that is lost does not make an image ours twice, nor foreign', async (t) => {
      const { meddler, store } = await openMeddler(t, backend)
      for (const body of [bytes.subarray(0, 10), bytes]) {
        const key = newKey()
        let lost = 0
        meddler.meddle = (passing) => {
          if (!isImage(key, passing) || lost > 0) return undefined
          lost += 1
          return 'lose the answer'
        }
        t.strictSame(await store.put(key, source(body)), { size: body.length })
        t.equal(lost, 1)
        t.ok(body.equals(await collect((await store.get(key)).body)))
        await store.delete(key)
      }
      t.strictSame(await backend.names(), [])
    })

    t.test('an image whose last answer never comes is taken away again', async (t) => {
      const { meddler, store } = await openMeddler(t, backend)
      for (const body of [bytes.subarray(0, 10), bytes]) {
        const key = newKey()
        meddler.meddle = (passing) => (isImage(key, passing) ? 'lose the answer' : undefined)
        const error = await store.put(key, source(body)).catch((error: unknown) => error)
        meddler.meddle = () => undefined
        const names = await backend.names()
        if (error instanceof Error) {
          t.ok(isStoreError(error, 'UNAVAILABLE'), `${error}`)
          t.strictSame(names, [])
        } else t.ok(names.includes(key), 'it was found to be ours')
        await store.delete(key)
      }
    })

    t.test('an abort while the image is published leaves nothing', async (t) => {
      const { meddler, store } = await openMeddler(t, backend)
      const control = new AbortController()
      const reason = new Error('not wanted any more')
      const key = newKey()
      meddler.meddle = (passing) => {
        if (!isImage(key, passing)) return undefined
        setTimeout(() => control.abort(reason), 20)
        return 'lose the answer'
      }
      const put = store.put(key, source(bytes), { signal: control.signal })
      t.equal(await put.catch((error: unknown) => error), reason)
      t.strictSame(await backend.names(), [])
    })
  })
}

function chain(error: unknown): unknown[] {
  const all = []
  for (let at = error; at instanceof Error; at = at.cause)
    all.push({ ...at, text: String(at.stack) })
  return all
}
