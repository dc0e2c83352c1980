import type { RegistryClient } from '@tank/client'
import { isWritable } from '@tank/store'
import { type OpenStore, openStore } from '../admin/open-store.ts'
import { probeStore } from '../admin/probe-store.ts'
import { reachRegistry } from '../admin/reach-registry.ts'
import { bytesText, table } from '../admin/sizes.ts'
import { findOrphans, isOfRegistry, survey } from '../admin/survey.ts'
import { type CommandCall, FLAGS, integer, UsageError } from '../command-line.ts'
import { readConfig, type ServeConfig } from '../config.ts'
import { explain } from '../explain.ts'
import { configFile, configFolder, dataDirectory } from '../places.ts'
import type { Part } from '../shutdown.ts'
import { configuredStores, type StoresConfig } from '../stores.ts'

const OLD_HOURS = 24

interface Context {
  readonly call: CommandCall
  readonly config: ServeConfig
  readonly stores: StoresConfig
  readonly folder: string
  readonly signal: AbortSignal
}

/** Runs something with each store, and goes on with the next when one cannot be opened. */
async function eachStore(
  { stores, folder, call }: Context,
  run: (open: OpenStore) => Promise<boolean>
): Promise<number> {
  let failed = false
  for (const [name, settings] of Object.entries(stores)) {
    let open: OpenStore | undefined
    try {
      open = await openStore(name, settings, folder)
      if (!(await run(open))) failed = true
    } catch (error) {
      failed = true
      call.print(`${name}: failed: ${explain(error)}\n`)
    } finally {
      await open?.close().catch(() => {})
    }
  }
  return failed ? 1 : 0
}

async function list(context: Context): Promise<number> {
  const rows = [['NAME', 'TYPE', 'IMAGES', 'BYTES', 'LEFTOVERS', 'DESCRIPTION']]
  const code = await eachStore(context, async ({ name, store, description = '' }) => {
    const counts = store.list && (await survey(store.list, { signal: context.signal }))
    const images = counts === undefined ? '-' : String(counts.images)
    const bytes = counts === undefined ? '-' : bytesText(counts.bytes)
    const leftovers = counts === undefined ? '-' : bytesText(counts.leftoverBytes)
    const readOnly = isWritable(store) ? '' : ' (read-only)'
    rows.push([name, `${store.type}${readOnly}`, images, bytes, leftovers, description])
    return true
  })
  context.call.print(table(rows))
  return code
}

function check(context: Context): Promise<number> {
  return eachStore(context, async ({ name, store }) => {
    const began = performance.now()
    const done = await probeStore(store)
    const ms = Math.round(performance.now() - began)
    context.call.print(`${name}: well: ${done} (${store.type}, ${ms} ms)\n`)
    return true
  })
}

interface Collection {
  readonly registry: RegistryClient
  readonly before: Date
  readonly isDryRun: boolean
}

async function collect(
  { call, signal }: Context,
  { name, store }: OpenStore,
  { registry, before, isDryRun }: Collection
): Promise<boolean> {
  if (!isWritable(store) || store.list === undefined) {
    call.print(`${name}: nothing to do: it ${isWritable(store) ? 'has no list' : 'is read-only'}\n`)
    return true
  }
  let count = 0
  let bytes = 0
  const unknown = (keys: readonly string[]) => registry.findOrphans(name, keys, { signal })
  if (!isDryRun && call.values.force !== true) {
    if (!(await isOfRegistry(store.list, { unknown, signal }))) {
      call.print(
        `${name}: nothing was deleted: the registry knows nothing of what lies in this store. Is it the ` +
          'right registry? See --dry-run; --force deletes all the same.\n'
      )
      return false
    }
  }
  for await (const { key, size } of findOrphans(store.list, { before, unknown, signal })) {
    call.print(`${name}: ${isDryRun ? 'orphan' : 'deleted'} ${key} ${bytesText(size)}\n`)
    if (!isDryRun) await store.delete(key, { signal })
    count += 1
    bytes += size
  }
  const what = `${count} ${count === 1 ? 'orphan' : 'orphans'}, ${bytesText(bytes)}`
  call.print(`${name}: ${what}${isDryRun ? ', nothing was deleted' : ' deleted'}\n`)
  return true
}

async function gc(context: Context): Promise<number> {
  const { call, config } = context
  const hours = integer(call, 'older-than') ?? OLD_HOURS
  const parts: Part[] = []
  try {
    const registry = await reachRegistry({
      config,
      dataDir: dataDirectory(call),
      env: call.env,
      add: (part) => parts.push(part)
    })
    const before = new Date(Date.now() - hours * 3_600_000)
    const collection = { registry, before, isDryRun: call.values['dry-run'] === true }
    return await eachStore(context, (open) => collect(context, open, collection))
  } finally {
    for (const part of parts.reverse()) await part.stop()
  }
}

const ACTIONS: Readonly<Record<string, (context: Context) => Promise<number>>> = { list, check, gc }

function chosen(stores: StoresConfig, names: readonly string[]): StoresConfig {
  for (const name of names) {
    if (Object.hasOwn(stores, name)) continue
    const known = Object.keys(stores).join(', ')
    throw new UsageError(`There is no store "${name}". The configuration has: ${known}.`)
  }
  if (names.length === 0) return stores
  return Object.fromEntries(Object.entries(stores).filter(([name]) => names.includes(name)))
}

export const store = {
  details:
    'check writes, reads and deletes a probe in each store. gc deletes what lies in a store and belongs\n' +
    'to no image of the registry: never use it on a bucket, container or directory that another Tank\n' +
    'uses, too. --dry-run only shows it. Names of stores limit each command to these.',
  words: 'list|check|gc [STORE...]',
  flags: {
    config: FLAGS.config,
    'data-dir': FLAGS['data-dir'],
    'dry-run': { type: 'boolean', help: 'gc: show orphans, delete nothing' },
    force: { type: 'boolean', help: 'gc: also when the registry knows nothing of the store' },
    'older-than': {
      type: 'string',
      value: 'HOURS',
      help: `gc: leave alone what is newer (${OLD_HOURS})`
    }
  },
  async run(call: CommandCall): Promise<number> {
    const [word = '', ...names] = call.words
    const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined
    if (action === undefined) throw new UsageError('Say tank store list, check or gc.')
    const file = configFile(call)
    const config = readConfig('serve', { file, env: call.env })
    const stores = chosen(configuredStores(config.api, dataDirectory(call)), names)
    const control = new AbortController()
    const stop = () => control.abort(new Error('stopped by a signal'))
    process.once('SIGINT', stop).once('SIGTERM', stop)
    try {
      const { signal } = control
      return await action({ call, config, stores, folder: configFolder(file), signal })
    } finally {
      process.off('SIGINT', stop).off('SIGTERM', stop)
    }
  }
} as const
