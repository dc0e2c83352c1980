import type { FastifyBaseLogger, FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { Static, TSchema } from 'typebox'
import { isStoreError } from './errors.ts'
import { parseOptions, splitOptions } from './plugin-options.ts'
import type { Store } from './store.ts'
import { storesPlugin } from './stores.ts'

/** What a store gets to know of its surroundings. */
export interface StoreContext {
  readonly name: string
  readonly log: FastifyBaseLogger
}

export interface StoreDefinition<O extends TSchema> {
  /** The kind of store, such as `fs`; also its name where `as` gives no other. */
  readonly name: string
  /** Schema of the store's own options. */
  readonly options: O
  /** Makes the store. It should not wait for the backend: that is what `check` is for. */
  open(options: Static<O>, context: StoreContext): Promise<Store>
}

/** Options of every store plugin, beside the store's own. */
export interface StorePluginOptions {
  /** Name of this store in the application. */
  readonly as?: string
  readonly default?: boolean
  readonly description?: string
  readonly weight?: number
}

// Fastify gives a hook ten seconds; a backend that hangs must not use them up.
const CHECK_MS = 5_000

/** Makes the Fastify plugin of a store: options, registration, readiness and end of life. */
export function defineStorePlugin<O extends TSchema>(
  definition: StoreDefinition<O>
): FastifyPluginAsync<Static<O> & StorePluginOptions> {
  const plugin: FastifyPluginAsync<Static<O> & StorePluginOptions> = async (fastify, given) => {
    const { as: name, info, own } = splitOptions(definition.name, given)
    const options = parseOptions(definition.options, own, `store "${name}" (${definition.name})`)
    if (!fastify.hasDecorator('stores')) await fastify.register(storesPlugin)
    const log = fastify.log.child({ store: name })
    const opened = await definition.open(options, { name, log })
    const store = fastify.stores.add(name, opened, info)
    fastify.addHook('onReady', () => ready(fastify, name, store))
    fastify.addHook('onClose', async () => store.close?.())
  }
  return fp(plugin, { name: `@tank/store:${definition.name}`, fastify: '5.x' })
}

/** A backend that is away or full now may come back; one that refuses us needs its operator. */
async function ready(fastify: FastifyInstance, name: string, store: Store): Promise<void> {
  const timeout = AbortSignal.timeout(CHECK_MS)
  try {
    await Promise.race([store.check?.({ signal: timeout }), aborted(timeout)])
  } catch (err) {
    const away = isStoreError(err, 'UNAVAILABLE') || isStoreError(err, 'FULL') || timeout.aborted
    if (!away) {
      const why = err instanceof Error ? err.message : String(err)
      throw new Error(`store "${name}" (${store.type}) cannot be used: ${why}`, { cause: err })
    }
    fastify.log.warn({ err, store: name }, 'store is away, starting without it')
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
