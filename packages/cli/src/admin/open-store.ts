import { type Store, storesPlugin } from '@tank/store'
import fastify from 'fastify'
import { storeLoader } from '../stores.ts'

export interface OpenStore {
  readonly name: string
  readonly store: Store
  readonly description: string | undefined
  close(): Promise<void>
}

export interface StoreSettings {
  readonly use: string
  readonly [option: string]: unknown
}

/**
 * Opens one store of the configuration as the service would. Rejects with the sentence that would
 * end the service's start; a store that is merely away is opened.
 */
export async function openStore(
  name: string,
  { use, ...options }: StoreSettings,
  configFolder: string
): Promise<OpenStore> {
  const app = fastify({ logger: false })
  try {
    await app.register(storesPlugin, { default: false })
    const plugin = await storeLoader(configFolder)(use)
    await app.register(plugin, { ...options, as: name })
    await app.ready()
    const entry = app.stores.entry(name)
    if (entry === undefined) throw new Error(`${use} added no store`)
    const { store, description } = entry
    return { name, store, description, close: () => app.close() }
  } catch (error) {
    await app.close().catch(() => {})
    throw error
  }
}
