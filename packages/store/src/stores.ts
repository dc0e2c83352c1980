import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type GuardLog, guard } from './guard.ts'
import { isWritable, type Store } from './store.ts'

/** What is kept beside a store. */
export interface StoreInfo {
  /** The store that takes images when nobody names one. */
  readonly default?: boolean | undefined
  /** One line for the people who choose a store. */
  readonly description?: string | undefined
  /** Of several stores that have an image, the one of the highest weight sends it. */
  readonly weight?: number | undefined
}

export interface StoreEntry {
  readonly name: string
  readonly store: Store
  readonly description: string | undefined
  readonly weight: number
}

/** The stores of an application, by name, in the order in which they were added. */
export interface Stores {
  add(name: string, store: Store, info?: StoreInfo): Store
  get(name: string): Store | undefined
  entry(name: string): StoreEntry | undefined
  names(): readonly string[]
  /** Name of the default store: the one marked so, else the first that can be written to. */
  readonly default: string | undefined
}

export interface StoresOptions {
  /**
   * Name of the default store. `false`: this application needs none, as when it only reads.
   * Without it a store that can be written to must be there when the application is ready.
   */
  readonly default?: string | false | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    stores: Stores
  }
}

// Names stand in comma-separated headers and lists, and in log lines.
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/

class StoreMap implements Stores {
  readonly #entries = new Map<string, StoreEntry>()
  readonly #log: GuardLog
  readonly #wanted: string | undefined
  #marked: string | undefined
  #sealed = false

  constructor(log: GuardLog, wanted: string | undefined) {
    this.#log = log
    this.#wanted = wanted
  }

  get default(): string | undefined {
    const chosen = this.#wanted ?? this.#marked
    return chosen ?? [...this.#entries.values()].find(({ store }) => isWritable(store))?.name
  }

  add(name: string, store: Store, info: StoreInfo = {}): Store {
    if (this.#sealed) throw new Error(`store "${name}" comes too late: the application is ready`)
    if (!NAME.test(name)) throw new Error(`"${name}" cannot be the name of a store`)
    if (this.#entries.has(name)) throw new Error(`there is already a store named "${name}"`)
    if (info.default === true) {
      if (this.#marked !== undefined) {
        throw new Error(`both "${this.#marked}" and "${name}" are marked as the default store`)
      }
      this.#marked = name
    }
    const { description, weight = 0 } = info
    const wrapped = guard(name, store, this.#log)
    this.#entries.set(name, Object.freeze({ name, store: wrapped, description, weight }))
    return wrapped
  }

  get(name: string): Store | undefined {
    return this.#entries.get(name)?.store
  }

  entry(name: string): StoreEntry | undefined {
    return this.#entries.get(name)
  }

  names(): readonly string[] {
    return [...this.#entries.keys()]
  }

  seal(needsDefault: boolean): void {
    this.#sealed = true
    if (!needsDefault) return
    const name = this.default
    const known = this.names().join(', ') || 'none'
    if (name === undefined) {
      throw new Error(`no store can be written to, so there is no default store (stores: ${known})`)
    }
    const store = this.get(name)
    if (store === undefined) {
      throw new Error(`the default store "${name}" does not exist (stores: ${known})`)
    }
    if (!isWritable(store)) {
      throw new Error(`the default store "${name}" cannot be written to (type ${store.type})`)
    }
  }
}

const plugin: FastifyPluginAsync<StoresOptions> = async (fastify: FastifyInstance, options) => {
  const wanted = options.default === false ? undefined : options.default
  const stores = new StoreMap(fastify.log, wanted)
  fastify.decorate('stores', stores)
  fastify.addHook('onReady', async () => stores.seal(options.default !== false))
}

/** Decorates the application with `stores`; closed to further stores once it is ready. */
export const storesPlugin: FastifyPluginAsync<StoresOptions> = fp(plugin, {
  name: '@tank/store',
  fastify: '5.x'
})
