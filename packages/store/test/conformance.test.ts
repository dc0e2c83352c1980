import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { type ConformanceOptions, storeConformance } from '../src/conformance/index.ts'
import { type Store, StoreError } from '../src/index.ts'
import { type Images, memoryStore } from './memory-store.ts'

t.test('a store in memory', async (t) => {
  const images: Images = new Map()
  const { state, set } = switches()
  await storeConformance({
    test: (name, options, run) => t.test(name, options, run),
    open: async () => faulty(memoryStore(images), state),
    leftovers: async () => [...images.keys()],
    faults: {
      refuse: set('away'),
      full: set('full'),
      hang: set('hang'),
      cut: set('cut'),
      reset: 'there is no connection',
      slow: 'there is no connection'
    },
    memoryMiB: 'it keeps images in memory',
    killedWriter: 'another process sees nothing of this one'
  })
})

t.test('a read-only store of URLs', async (t) => {
  const images: Images = new Map()
  const { state, set } = switches()
  const place = (name: string) => `https://images.example/${name}`
  await storeConformance({
    test: (name, options, run) => t.test(name, options, run),
    open: async () => {
      const { put, delete: _delete, copy, list, url, ...store } = memoryStore(images)
      const features = { ranges: false, unknownSize: false, exclusive: false }
      const accepts = ({ host }: URL) => host === 'images.example'
      const {
        put: _put,
        delete: _drop,
        ...faultful
      } = faulty({ ...store, features, accepts }, state)
      return faultful
    },
    async seed(bytes) {
      const key = place(randomUUID())
      images.set(key, bytes)
      return key
    },
    missing: () => place('none'),
    faults: { refuse: set('away'), hang: set('hang'), cut: set('cut'), slow: 'no connection' }
  })
})

t.test('stores that break the contract are found out', async (t) => {
  const broken: Record<string, (images: Images) => Partial<Store>> = {
    'each edge of a range': (images) => ({
      async get(key) {
        const bytes = images.get(key) ?? Buffer.alloc(0)
        return { size: bytes.length, body: Readable.from([bytes]) }
      }
    }),
    'a missing key gives NOT_FOUND at once': (images) => ({
      async get(key) {
        const bytes = images.get(key)
        const late = new Readable({ read: () => late.destroy(new Error('not here')) })
        return { size: undefined, body: bytes ? Readable.from([bytes]) : late }
      }
    }),
    'delete removes, and may be repeated': (images) => ({
      async delete(key) {
        if (!images.delete(key)) throw new StoreError('NOT_FOUND', 'nothing is here')
      }
    }),
    'a source that fails leaves nothing': (images) => ({
      async put(key, body) {
        const chunks: Buffer[] = []
        try {
          for await (const chunk of body) chunks.push(chunk)
        } catch (cause) {
          images.set(key, Buffer.concat(chunks))
          throw cause
        }
        images.set(key, Buffer.concat(chunks))
        return { size: Buffer.concat(chunks).length }
      }
    }),
    'a taken key gives EXISTS': (images) => ({
      async put(key, body) {
        const chunks: Buffer[] = []
        for await (const chunk of body) chunks.push(chunk)
        images.set(key, Buffer.concat(chunks))
        return { size: Buffer.concat(chunks).length }
      }
    }),
    'an abort in the middle of a put': (images) => ({
      put: async (key, body) => (await memoryStore(images).put?.(key, body)) ?? { size: 0 }
    }),
    'list has every image once': (images) => ({
      async *list() {
        for (const key of images.keys()) {
          yield { key, size: 1, modified: undefined, complete: true }
        }
      }
    }),
    'a copy has the same bytes': (images) => ({
      async copy(from, to) {
        const bytes = images.get(from)
        if (bytes === undefined) throw new StoreError('NOT_FOUND', 'nothing is here')
        images.set(to, bytes.subarray(0, 1))
        return { size: bytes.length }
      }
    }),
    'a copy of nothing': () => ({ copy: async () => ({ size: 0 }) }),
    'a signed URL gives': () => ({ presign: async (key) => new URL(`data:,${key}`) }),
    'memory is bounded': () => ({}),
    'a body that nobody reads': () => ({}),
    'a slow reader keeps memory flat': (images) => ({
      async get(key) {
        const bytes = images.get(key)
        if (bytes === undefined) throw new StoreError('NOT_FOUND', 'nothing is here')
        return { size: bytes.length, body: Readable.from([Buffer.concat([bytes])]) }
      }
    })
  }
  for (const [name, overrides] of Object.entries(broken)) {
    const images: Images = new Map()
    const failed = await failures(
      {
        open: async () => memoryStore(images, overrides(images)),
        leftovers: async () => [...images.keys()]
      },
      name
    )
    t.equal(failed, name !== 'a body that nobody reads', name)
  }
})

/** Whether the case that begins so fails; the others are not run. */
async function failures(options: Omit<ConformanceOptions, 'test'>, name: string): Promise<boolean> {
  let failed: boolean | undefined
  await storeConformance({
    ...options,
    async test(full, { skip }, run) {
      if (!full.includes(`: ${name}`) && !full.includes(` ${name}`)) return
      if (skip !== undefined) throw new Error(`${full} was skipped: ${skip}`)
      const timer = new Promise((_resolve, reject) => setTimeout(reject, 8_000).unref())
      failed = await Promise.race([run(), timer]).then(
        () => failed ?? false,
        () => true
      )
    }
  })
  if (failed === undefined) throw new Error(`no case is called "${name}"`)
  return failed
}

function switches() {
  const state = { away: false, full: false, hang: false, cut: false }
  const set = (name: keyof typeof state) => async () => {
    state[name] = true
    return () => {
      state[name] = false
    }
  }
  return { state, set }
}

function faulty(store: Store, state: ReturnType<typeof switches>['state']): Store {
  const enter = async (signal: AbortSignal | undefined) => {
    if (state.away) throw new StoreError('UNAVAILABLE', 'the backend is away')
    if (!state.hang) return
    await new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('gave up')))
    })
  }
  return {
    ...store,
    async stat(key, options) {
      await enter(options?.signal)
      return store.stat(key, options)
    },
    async get(key, options) {
      await enter(options?.signal)
      const image = await store.get(key, options)
      if (!state.cut) return image
      const cut = new Readable({ read: () => cut.destroy(new StoreError('FAILED', 'cut off')) })
      return { size: image.size, body: cut }
    },
    async put(key, body, options) {
      await enter(options?.signal)
      if (state.full) throw new StoreError('FULL', 'no room')
      return (await store.put?.(key, body, options)) ?? { size: -1 }
    },
    async delete(key, options) {
      await enter(options?.signal)
      await store.delete?.(key, options)
    },
    check: async (options) => enter(options?.signal)
  }
}
