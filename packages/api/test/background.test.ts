import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isTankError, type Job, TankError } from '@tank/model'
import { createLogger } from '@tank/service'
import { isStoreError, type Store, StoreError } from '@tank/store'
import t from 'tap'
import { insist } from '../src/background/insist.ts'
import type { JobHandler } from '../src/background/job.ts'
import { createJobWorker } from '../src/background/job-worker.ts'
import { readWhole } from '../src/background/read-whole.ts'
import { Forward } from '../src/download/forward.ts'
import { openWithin } from '../src/download/open-within.ts'
import { createStoreCircuits } from '../src/download/store-circuits.ts'
import { readImportInput } from '../src/imports/import-input.ts'
import { readImport } from '../src/imports/import-request.ts'
import { targetStores } from '../src/imports/target-stores.ts'
import { createRunningUploads } from '../src/ingest/running-uploads.ts'
import { storeForLocation } from '../src/locations/find-store.ts'
import { contextOf, dataOf, never, runOf, storesOf } from './job-context.ts'

const log = createLogger({ level: 'silent' })
const MIB = 1 << 20
const SHA256 = { algorithms: ['sha256'] }

t.test('DWN8: a circuit skips a store, then lets one try', async (t) => {
  let now = 0
  const circuits = createStoreCircuits(100, () => now)
  t.ok(circuits.allows('a'))
  circuits.failed('a')
  t.notOk(circuits.allows('a'))
  t.ok(circuits.allows('b'), 'each store has its own')
  now = 100
  t.ok(circuits.allows('a'), 'one probe')
  t.notOk(circuits.allows('a'), 'and no second one beside it')
  circuits.failed('a')
  now = 199
  t.notOk(circuits.allows('a'))
  now = 200
  t.ok(circuits.allows('a'))
  circuits.worked('a')
  t.ok(circuits.allows('a'))
  t.ok(circuits.allows('a'), 'closed again')
})

t.test('DWN8: a store that ignores its signal is left after the deadline', async (t) => {
  let send: (source: { size: number; body: Readable }) => void = () => {}
  const get = () => new Promise<{ size: number; body: Readable }>((resolve) => (send = resolve))
  const opening = openWithin({ get } as unknown as Store, 'k', {
    range: undefined,
    signal: never,
    deadlineMs: 20
  })
  const error = await opening.catch((e: unknown) => e)
  t.ok(isStoreError(error, 'UNAVAILABLE'))
  const body = Readable.from(['late'])
  send({ size: 4, body })
  await once(body, 'close')
  t.ok(body.destroyed, 'an answer that comes after all is let go of')
})

t.test('DWN12: what is handed on is counted, to the byte', async (t) => {
  const taken: Buffer[] = []
  const to = new Writable({
    write(chunk, _encoding, done) {
      taken.push(chunk)
      done()
    }
  })
  const forward = (expected: number, idleMs = 60_000, onIdle = (_error: StoreError) => {}) =>
    new Forward(to, { expected, idleMs, onIdle })
  const parts = (...sizes: number[]) => Readable.from(sizes.map((size) => Buffer.alloc(size)))
  const exact = forward(30)
  await pipeline(parts(10, 20), exact)
  t.equal(exact.count, 30)
  t.equal(Buffer.concat(taken).length, 30)
  t.notOk(to.destroyed || to.writableEnded, 'the receiver stays open')
  const short = await pipeline(parts(10), forward(30)).catch((e: unknown) => e)
  t.ok(isStoreError(short, 'FAILED'), 'too few')
  const long = await pipeline(parts(10, 25), forward(30)).catch((e: unknown) => e)
  t.ok(isStoreError(long, 'SIZE_MISMATCH'), 'too many')
  t.ok(Buffer.concat(taken).length <= 30 + 10 + 10, 'and none past the end')
  const idle = await new Promise((resolve) => forward(1, 10, resolve))
  t.ok(isStoreError(idle, 'UNAVAILABLE'))
})

t.test('DWN7: a slow reader is no idle store', async (t) => {
  let release = () => {}
  const to = new Writable({
    write(_chunk, _encoding, done) {
      release = done
    }
  })
  let idles = 0
  const sink = new Forward(to, { expected: 2, idleMs: 10, onIdle: () => idles++ })
  sink.write('a')
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(idles, 0)
  release()
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.ok(idles > 0)
  sink.destroy()
})

t.test('a copy takes bounded memory: nothing is read that nobody takes', async (t) => {
  const size = 256 * MIB
  let sent = 0
  let closed = false
  const body = () =>
    new Readable({
      read() {
        const chunk = Buffer.alloc(Math.min(65536, size - sent))
        sent += chunk.length
        this.push(chunk.length === 0 ? null : chunk)
      },
      destroy(error, done) {
        closed = true
        done(error)
      }
    })
  const stores = storesOf({ a: { get: async () => ({ size, body: body() }) } })
  const context = contextOf({}, stores)
  t.teardown(() => context.digests.close())
  const read = await readWhole(context, runOf(), dataOf(size, 'x'), SHA256)
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.ok(sent < 16 * MIB, `${sent} bytes were read ahead`)
  read.drop()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(closed, 'and the source is let go of')
})

t.test('H3: a copy that is read whole has the right digest, or fails', async (t) => {
  const bytes = randomBytes(3 * MIB)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const get = async (_key: string, { range }: { range?: { offset: number } } = {}) => ({
    size: bytes.length,
    body: Readable.from([bytes.subarray(range?.offset ?? 0)])
  })
  const context = contextOf({}, storesOf({ a: { get } as Partial<Store> }))
  t.teardown(() => context.digests.close())
  let moved = 0
  const advance = (count: number) => {
    moved += count
  }
  const data = dataOf(bytes.length, sha256)
  const read = await readWhole(context, runOf({ advance }), data, SHA256)
  for await (const _ of read.body) {
    // taken
  }
  t.equal((await read.finish()).sha256, sha256)
  t.equal(moved, bytes.length)
  const short = storesOf({
    a: { get: async () => ({ size: bytes.length, body: Readable.from([Buffer.alloc(10)]) }) }
  })
  const broken = await readWhole(contextOf({}, short), runOf(), data, SHA256)
  await t.rejects(async () => {
    for await (const _ of broken.body) {
      // taken
    }
  })
  t.ok(isStoreError(broken.failure, 'FAILED'))
})

t.test('idempotent calls are repeated until the lease is over', async (t) => {
  let calls = 0
  const answer = await insist(never, async () => {
    if (++calls < 3) throw new TankError('REGISTRY_UNAVAILABLE', 'no')
    return 'yes'
  })
  t.equal(answer, 'yes')
  const other = insist(never, () => Promise.reject(new TankError('OPERATION_GONE', 'no')))
  t.ok(isTankError(await other.catch((e: unknown) => e), 'OPERATION_GONE'))
  const away = () => Promise.reject(new TankError('REGISTRY_UNAVAILABLE', 'no'))
  const lost = new TankError('IMAGE_GONE', 'lost')
  const controller = new AbortController()
  setTimeout(() => controller.abort(lost), 50)
  t.equal(await insist(controller.signal, away).catch((e: unknown) => e), lost)
})

/** A registry with work to claim. */
function queueOf(count: number) {
  const waiting = Array.from({ length: count }, (_, n) => `job-${n}`)
  const abandoned: { id: string; again?: boolean; reason: string }[] = []
  const registry = {
    claim: async () => {
      const id = waiting.shift()
      const job = { id, kind: 'copy', image_id: `i-${id}`, lease_ms: 60_000, heartbeat_ms: 30_000 }
      return id === undefined ? null : (job as unknown as Job)
    },
    abandon: async (_caller: unknown, id: string, body: { again?: boolean; reason: string }) => {
      abandoned.push({ id, ...body })
    },
    heartbeat: async () => ({ lease_ms: 60_000, heartbeat_ms: 30_000 })
  }
  return { registry, waiting, abandoned }
}

function workerOf(registry: object, copy: JobHandler, concurrency = 2) {
  const running = createRunningUploads()
  const context = contextOf(registry, storesOf({}))
  const handlers = { copy, location: copy, import: copy }
  const options = { context, handlers, running, worker: 'w', concurrency, pollMs: 60_000, log }
  return { running, jobs: createJobWorker(options) }
}

t.test('a worker does a bounded number at once, and all of them', async (t) => {
  const { registry, waiting } = queueOf(9)
  let now = 0
  let most = 0
  let done = 0
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const { jobs } = workerOf(registry, async () => {
    most = Math.max(most, ++now)
    await new Promise((resolve) => setTimeout(resolve, 10))
    now--
    if (++done === 9) finish()
  })
  jobs.start()
  jobs.nudge()
  await finished
  t.equal(most, 2)
  t.equal(waiting.length, 0)
  await jobs.close()
})

t.test('a worker that stops gives back, one that fails says why without details', async (t) => {
  const { registry, abandoned } = queueOf(1)
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const { jobs, running } = workerOf(registry, async (_context, { signal }) => {
    begin()
    await once(signal, 'abort')
    signal.throwIfAborted()
  })
  jobs.nudge()
  await begun
  const closing = jobs.close()
  running.abortAll(new TankError('SHUTTING_DOWN', 'stopping'))
  await closing
  t.match(abandoned, [{ id: 'job-0', again: true }])
  const second = queueOf(1)
  const failing = workerOf(second.registry, async () => {
    throw new StoreError('FAILED', 'secret path /srv/x')
  })
  failing.jobs.nudge()
  while (second.abandoned.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await failing.jobs.close()
  t.notOk(second.abandoned[0]?.again)
  t.notMatch(second.abandoned[0]?.reason, /secret/, 'S-02')
})

t.test('a worker with nobody to work claims nothing', async (t) => {
  const { registry, waiting } = queueOf(1)
  const { jobs } = workerOf(registry, async () => {}, 0)
  jobs.start()
  jobs.nudge()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(waiting.length, 1)
  await jobs.close()
})

const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof TankError ? error.code : String(error)
  }
}

t.test('I1, I9, I10: the body of an import and its stores', async (t) => {
  const method = { name: 'copy-image' }
  const read = (body: object) => readImport(body as Record<string, unknown>, ['copy-image'])
  t.match(read({ method }), { allStores: false, allMustSucceed: true, stores: undefined })
  t.same(read({ method, stores: ['b', 'b'] }).stores, ['b'])
  t.equal(read({ method, stores: [] }).stores, undefined)
  for (const bad of [{}, { method: [] }, { method, stores: [1] }, { method, all_stores: null }]) {
    t.equal(
      codeOf(() => read(bad)),
      'INVALID_REQUEST',
      JSON.stringify(bad)
    )
  }
  const put = { put: async () => ({ size: 0 }), delete: async () => {} }
  const stores = storesOf({ a: put, b: put, web: {} })
  const targets = (body: object, header?: string) =>
    targetStores(stores, read({ method, ...body }), header)
  t.same(targets({}), ['a'], 'the default store')
  t.same(targets({}, 'b'), ['b'])
  t.same(targets({ all_stores: true }), ['a', 'b'], 'STO11')
  t.equal(
    codeOf(() => targets({ all_stores: true }, 'b')),
    'INVALID_REQUEST'
  )
  t.equal(
    codeOf(() => targets({ stores: ['b'] }, 'a')),
    'INVALID_REQUEST'
  )
  for (const name of ['web', 'nowhere']) {
    t.equal(
      codeOf(() => targets({ stores: [name] })),
      'IMAGE_STATE',
      name
    )
  }
})

t.test('LA4, S-17: which store takes a location', async (t) => {
  const accepts = (url: URL) => url.hostname === 'ok.test' || url.protocol === 'vendor:'
  const stores = storesOf({ a: {}, web: { accepts } })
  t.equal(storeForLocation(stores, 'http://ok.test/x', false), 'web')
  t.equal(storeForLocation(stores, 'http://10.0.0.1/x', false), 'web', 'its task tells')
  t.equal(storeForLocation(stores, 'vendor://x/y', true), 'web')
  for (const [url, isService] of [
    ['vendor://x/y', false],
    ['file:///etc/passwd', true],
    ['swift+config://x/y', true]
  ] as const) {
    t.equal(
      codeOf(() => storeForLocation(stores, url, isService)),
      'FORBIDDEN',
      `S-07 ${url}`
    )
  }
  t.equal(
    codeOf(() => storeForLocation(storesOf({ a: {} }), 'http://ok.test/', true)),
    'FORBIDDEN'
  )
})

t.test('IMP17: only an import that was looked at names an image of another region', async (t) => {
  const imageId = 'c0ffee00-0000-4000-8000-000000000001'
  const method = { name: 'glance-download', glance_region: 'two', glance_image_id: imageId }
  t.same(readImportInput({ import_req: { method } }), {
    uri: undefined,
    remote: { region: 'two', interface: 'public', imageId }
  })
  const task = { import_from: 'https://example.test/x', import_req: { method } }
  t.same(readImportInput(task), { uri: task.import_from, remote: undefined })
  const web = { name: 'web-download', uri: 'https://example.test/y', glance_region: 'two' }
  t.same(readImportInput({ import_req: { method: web } }), { uri: web.uri, remote: undefined })
  t.same(readImportInput({ import_req: 'x' }), { uri: undefined, remote: undefined })
})
