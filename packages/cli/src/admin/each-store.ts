import { type CommandCall, UsageError } from '../command-line.ts'
import type { ServeConfig } from '../config.ts'
import { explain } from '../explain.ts'
import type { StoresConfig } from '../stores.ts'
import { type OpenStore, openStore } from './open-store.ts'

/** The stores that a command looks after. */
export interface StoresContext {
  readonly call: CommandCall
  readonly config: ServeConfig
  readonly stores: StoresConfig
  readonly folder: string
  readonly signal: AbortSignal
}

/** Runs something with each store, and goes on with the next when one cannot be opened. */
export async function eachStore(
  { stores, folder, call, signal }: StoresContext,
  run: (open: OpenStore) => Promise<boolean>
): Promise<number> {
  let failed = false
  for (const [name, settings] of Object.entries(stores)) {
    signal.throwIfAborted()
    let open: OpenStore | undefined
    try {
      open = await openStore(name, settings, folder)
      if (!(await run(open))) failed = true
    } catch (error) {
      signal.throwIfAborted()
      failed = true
      call.print(`${name}: failed: ${explain(error)}\n`)
    } finally {
      await open?.close().catch(() => {})
    }
  }
  return failed ? 1 : 0
}

/** Those of these names; all of them without names. */
export function chosenStores(stores: StoresConfig, names: readonly string[]): StoresConfig {
  for (const name of names) {
    if (Object.hasOwn(stores, name)) continue
    const known = Object.keys(stores).join(', ')
    throw new UsageError(`There is no store "${name}". The configuration has: ${known}.`)
  }
  if (names.length === 0) return stores
  return Object.fromEntries(Object.entries(stores).filter(([name]) => names.includes(name)))
}
