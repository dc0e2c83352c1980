import assert from 'node:assert/strict'
import { isStoreError, type StoreErrorCode } from '../errors.ts'
import { guard } from '../guard.ts'
import { newKey } from '../key.ts'
import { isWritable, type Store, type StoreFeatures, type WritableStore } from '../store.ts'
import type { ConformanceOptions, Faults } from './options.ts'
import { collect, source } from './streams.ts'

/** What the kit found out about a store before its first case. */
export interface Traits {
  readonly writable: boolean
  readonly features: StoreFeatures
  /** Names of the methods that the store has. */
  readonly methods: ReadonlySet<string>
  readonly options: ConformanceOptions
}

export interface Case {
  readonly name: string
  /** The reason for which this store cannot be asked. */
  skip?(traits: Traits): string | undefined
  run(bench: Bench): Promise<void>
}

/** The surroundings of one case: opens stores, and takes away what the case stored. */
export class Bench {
  readonly options: ConformanceOptions
  readonly features: StoreFeatures
  readonly #stores: Store[] = []
  readonly #keys: string[] = []

  constructor({ options, features }: Traits) {
    this.options = options
    this.features = features
  }

  /** A new store, guarded as Tank guards it. */
  async open(): Promise<Store> {
    const store = guard('conformance', await this.options.open())
    this.#stores.push(store)
    return store
  }

  async openWritable(): Promise<WritableStore> {
    const store = await this.open()
    assert(isWritable(store), 'the store has put and delete')
    return store
  }

  /** A key of this case: whatever is put there is deleted when the case ends. */
  key(): string {
    const key = newKey()
    this.#keys.push(key)
    return key
  }

  missing(): string {
    return this.options.missing?.() ?? newKey()
  }

  /** Brings an image into the backend by the way that there is. */
  async image(store: Store, bytes: Buffer): Promise<string> {
    if (!isWritable(store)) {
      assert(this.options.seed !== undefined, 'a read-only store needs `seed`')
      return this.options.seed(bytes)
    }
    const key = this.key()
    await store.put(key, source(bytes), { size: bytes.length })
    return key
  }

  /** Runs while the backend behaves badly. */
  async during(name: keyof Faults, run: () => Promise<void>): Promise<void> {
    const fault = this.options.faults?.[name]
    assert(typeof fault === 'function')
    const restore = await fault()
    try {
      await run()
    } finally {
      await restore()
    }
  }

  /** Runs a put that must fail, and proves that nothing is left of it. */
  async leavesNothing(store: WritableStore, key: string, run: () => Promise<void>): Promise<void> {
    const before = await this.#leftovers()
    await run()
    await rejectsWith('NOT_FOUND', () => store.stat(key))
    await rejectsWith('NOT_FOUND', () => store.get(key))
    assert.deepEqual(await this.#leftovers(), before, 'the backend holds what it held before')
    await this.isFree(store, key)
  }

  /** Proves that a key can be written, read and deleted. */
  async isFree(store: WritableStore, key: string): Promise<void> {
    const bytes = Buffer.from(`again ${key}`)
    await store.put(key, source(bytes), { size: bytes.length })
    assert.deepEqual(await collect((await store.get(key)).body), bytes)
    await store.delete(key)
  }

  async run(test: Case): Promise<void> {
    const before = await this.#leftovers()
    try {
      await test.run(this)
    } finally {
      await this.#tidy()
    }
    assert.deepEqual(await this.#leftovers(), before, 'delete leaves nothing in the backend')
  }

  async #tidy(): Promise<void> {
    const store = await this.open()
    if (isWritable(store)) for (const key of this.#keys) await store.delete(key)
    for (const store of this.#stores) await store.close?.()
  }

  async #leftovers(): Promise<readonly string[]> {
    const names = await this.options.leftovers?.()
    return [...(names ?? [])].sort()
  }
}

/** Asserts that a call fails as the contract says: with a StoreError of one of these codes. */
export async function rejectsWith(
  codes: StoreErrorCode | readonly StoreErrorCode[],
  run: () => Promise<unknown>
): Promise<void> {
  const wanted = typeof codes === 'string' ? [codes] : codes
  await assert.rejects(run, (error: unknown) => {
    assert(isStoreError(error), `a StoreError, not ${error}`)
    assert(wanted.includes(error.code), `${wanted.join(' or ')}, not ${error.code}: ${error}`)
    return true
  })
}

/** Asserts that an aborted call rejects with the very reason of its signal, and soon. */
export async function rejectsWithReason(reason: unknown, run: Promise<unknown>): Promise<void> {
  const late = new Error('the call did not end within five seconds of its abort')
  let timer: NodeJS.Timeout | undefined
  const clock = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late), 5_000)
  })
  try {
    await Promise.race([run, clock])
  } catch (error) {
    assert.equal(error, reason, 'an abort rejects with the reason of the signal')
    return
  } finally {
    clearTimeout(timer)
  }
  assert.fail('an aborted call must reject')
}
