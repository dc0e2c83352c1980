import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { FoundData, ImageDocument } from '@tank/model'
import { type GetOptions, type Store, StoreError } from '@tank/store'
import t from 'tap'
import { fetchTo } from '../src/background/fetch-to.ts'
import { fillTargets } from '../src/background/fill-targets.ts'
import { importJob } from '../src/background/import-job.ts'
import type { Watch } from '../src/inspection/watch.ts'
import { contextOf, dataOf, runOf, storesOf } from './job-context.ts'

const NOTHING_FOUND: FoundData = {
  declared: { disk_format: 'raw', container_format: 'bare' },
  disk_format: null,
  format: null,
  verdict: null,
  virtual_size: null,
  properties: {},
  properties_limit: null
}
const RAW: Partial<ImageDocument> = { disk_format: 'raw', container_format: 'bare' }

interface Faults {
  readonly ranges?: boolean
  readonly isAway?: boolean
}

/** Keeps bytes; `isAway`: whatever is asked for fails. */
function storeOf(bytes: Map<string, Buffer>, { ranges = true, isAway = false }: Faults = {}) {
  const get = async (key: string, { range }: GetOptions = {}) => {
    if (isAway) throw new StoreError('UNAVAILABLE', 'on order')
    if (range !== undefined && !ranges) throw new StoreError('UNSUPPORTED', 'no ranges')
    const whole = bytes.get(key) ?? Buffer.alloc(0)
    const { offset, length } = range ?? { offset: 0, length: whole.length }
    return { size: whole.length, body: Readable.from([whole.subarray(offset, offset + length)]) }
  }
  const put: Store['put'] = async (key, body) => {
    const all = await buffer(body)
    bytes.set(key, all)
    return { size: all.length }
  }
  const remove = async (key: string) => {
    bytes.delete(key)
  }
  const features = { ranges, unknownSize: true, exclusive: false }
  return { features, get, put, delete: remove, accepts: () => true }
}

/** A registry that knows one image and notes how its import goes. */
function registryOf(image: Partial<ImageDocument>) {
  const calls: string[] = []
  const noted =
    (name: string) =>
    async (...all: unknown[]) => {
      calls.push(`${name} ${JSON.stringify(all.at(-1))}`)
    }
  const registry = {
    getImage: async () => ({ body: Buffer.from(JSON.stringify(image)), version: '1' }),
    beginTarget: noted('begin'),
    targetStored: noted('stored'),
    targetFailed: noted('failed'),
    complete: noted('complete')
  }
  return { registry, calls }
}

function importRun(job: object) {
  const targets = ['b', 'c'].map((store) => ({ store, state: 'waiting' }))
  return runOf({
    attempt: 'x',
    caller: {},
    job: { id: 'j', image_id: 'i', source: null, input: {}, must_succeed: false, targets, ...job }
  })
}

t.test('IMP11: an image whose formats were taken away is not imported', async (t) => {
  for (const name of ['disk_format', 'container_format']) {
    const { registry, calls } = registryOf({ ...RAW, [name]: null })
    const bytes = new Map([['k', Buffer.alloc(1000, 'x')]])
    const store = storeOf(bytes)
    const context = contextOf(registry, storesOf({ a: store, b: store, c: store }))
    t.teardown(() => context.digests.close())
    const { blob, placements } = dataOf(1000, null)
    const error = await importJob(context, importRun({ source: { blob, placements } })).catch(
      (e: unknown) => e
    )
    t.match(error, { code: 'IMAGE_STATE', message: /set both and import again/ })
    t.same(calls, [])
  }
})

t.test('F13: staged data is judged where its store knows no ranges', async (t) => {
  const { registry, calls } = registryOf(RAW)
  const bytes = new Map([['k', Buffer.alloc(100_000, 'x')]])
  const context = contextOf(
    registry,
    storesOf({ a: storeOf(bytes, { ranges: false }), b: storeOf(bytes), c: storeOf(bytes) })
  )
  t.teardown(() => context.digests.close())
  const { blob, placements } = dataOf(100_000, null)
  await importJob(context, importRun({ source: { blob, placements } }))
  t.match(calls.at(-1), /complete .*"verdict":"safe"/)
})

t.test('v1 1.10: a copy has the size and checksum that were announced', async (t) => {
  const { registry, calls } = registryOf(RAW)
  const data = Buffer.alloc(1000, 'x')
  const [source, kept] = [storeOf(new Map([['http://a.test/', data]])), new Map<string, Buffer>()]
  const stores = { a: source, b: storeOf(kept), c: storeOf(kept) }
  const { reading, ...rest } = contextOf(registry, storesOf(stores))
  const context = { ...rest, md5: false, reading }
  t.teardown(() => context.digests.close())
  const md5 = createHash('md5').update(data).digest('hex')
  const run = (announced: object) => {
    const import_req = { method: { name: 'web-download', uri: 'http://a.test/' } }
    return importJob(context, importRun({ input: { import_req, announced } }))
  }
  for (const [announced, what] of [
    [{ size: 999, checksum: null }, 'size'],
    [{ size: 1000, checksum: '0'.repeat(32) }, 'checksum']
  ] as const) {
    const message = `The data at the location has another ${what} than was announced`
    await t.rejects(run(announced), { code: 'INVALID_REQUEST', message })
    t.equal(kept.size, 0)
  }
  await run({ size: 1000, checksum: md5 })
  t.match(calls.at(-1), /^complete/)
})

t.test('I9: a target that cannot be read again is no failure of the source', async (t) => {
  const { registry, calls } = registryOf(RAW)
  const source = storeOf(new Map([['k', Buffer.alloc(1000, 'x')]]))
  const kept = new Map<string, Buffer>()
  // the first one takes data, and does not give it
  const [mute, sound] = [storeOf(kept, { isAway: true }), storeOf(kept)]
  const context = contextOf(registry, storesOf({ b: mute, c: sound }))
  t.teardown(() => context.digests.close())
  const run = importRun({})
  const watch: Watch = {
    feed: () => undefined,
    end: async (read) => {
      t.equal((await read({ offset: 10, length: 5 })).length, 5)
      return NOTHING_FOUND
    }
  }
  const origin = { store: source, location: 'k', signature: undefined, watch }
  await fillTargets(context, run, async (target) => {
    const { blob } = await fetchTo(context, run, origin, target)
    return blob
  })
  t.same(
    calls.map((call) => call.split(' ')[0]),
    ['begin', 'failed', 'begin', 'stored', 'complete']
  )
  t.match(calls[1], /"store":"b"/)
  t.equal(kept.size, 1, 'what the first one took is gone')
})
