import type { RegistryClient } from '@tank/client'
import { isWritable } from '@tank/store'
import { type StoresContext as Context, chosenStores, eachStore } from '../admin/each-store.ts'
import type { OpenStore } from '../admin/open-store.ts'
import { probeStore } from '../admin/probe-store.ts'
import { bytesText, table } from '../admin/sizes.ts'
import { findOrphans, isOfRegistry, survey } from '../admin/survey.ts'
import { withRegistry } from '../admin/with-registry.ts'
import { type CommandCall, FLAGS, integer, UsageError } from '../command-line.ts'
import { readConfig } from '../config.ts'
import { configFile, configFolder, dataDirectory } from '../places.ts'
import { interruptible } from '../remote/session.ts'
import { configuredStores } from '../stores.ts'

const OLD_HOURS = 24

const plural = (count: number, noun: string) => (count === 1 ? noun : `${noun}s`)

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

const BATCH = 100
/** Longest time of one deletion. */
const DELETE_MS = 60_000

/** Deletes what the registry hands out as garbage, as the API processes do by themselves. */
async function discard(
  { call, signal }: Context,
  { name, store }: OpenStore,
  registry: RegistryClient
): Promise<void> {
  if (!isWritable(store)) return
  let count = 0
  for (let more = true; more; ) {
    const garbage = await registry.claimGarbage([name], BATCH, { signal })
    for (const { id, key, claim } of garbage) {
      await store.delete(key, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(DELETE_MS)])
      })
      await registry.garbageDeleted(id, claim, { signal })
      count += 1
    }
    more = garbage.length === BATCH
  }
  if (count > 0) call.print(`${name}: garbage of ${count} ${plural(count, 'image')} deleted\n`)
}

interface Collection {
  readonly registry: RegistryClient
  readonly before: Date
  readonly isDryRun: boolean
}

/** Whether the store is that of another registry, as far as can be seen; says so. */
async function isForeign(
  { call, signal }: Context,
  { name, store }: OpenStore,
  registry: RegistryClient
): Promise<boolean> {
  if (!isWritable(store) || store.list === undefined || call.values.force === true) return false
  const unknown = (keys: readonly string[]) => registry.findOrphans(name, keys, { signal })
  const hasPlacements = async () =>
    (await registry.listPlacements(name, { limit: 1 }, { signal })).length > 0
  if (await isOfRegistry(store.list, { unknown, hasPlacements, signal })) return false
  call.print(
    `${name}: nothing was deleted: the registry and this store know nothing of each other. Is it the ` +
      'right registry, the right store? See --dry-run; --force deletes all the same.\n'
  )
  return true
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
  for await (const { key, size } of findOrphans(store.list, { before, unknown, signal })) {
    call.print(`${name}: ${isDryRun ? 'orphan' : 'deleted'} ${key} ${bytesText(size)}\n`)
    if (!isDryRun) await store.delete(key, { signal })
    count += 1
    bytes += size
  }
  const what = `${count} ${plural(count, 'orphan')}, ${bytesText(bytes)}`
  call.print(`${name}: ${what}${isDryRun ? ', nothing was deleted' : ' deleted'}\n`)
  return true
}

async function gc(context: Context): Promise<number> {
  const { call, signal } = context
  const isDryRun = call.values['dry-run'] === true
  const hours = integer(call, 'older-than') ?? OLD_HOURS
  return await withRegistry(call, async ({ registry }) => {
    const scrubbed = isDryRun ? 0 : await registry.scrub({ signal })
    if (scrubbed > 0) call.print(`${scrubbed} ${plural(scrubbed, 'image')} deleted for good\n`)
    const before = new Date(Date.now() - hours * 3_600_000)
    const collection = { registry, before, isDryRun }
    return await eachStore(context, async (open) => {
      if (!isDryRun) {
        if (await isForeign(context, open, registry)) return false
        await discard(context, open, registry)
      }
      return collect(context, open, collection)
    })
  })
}

type Action = (context: Context) => Promise<number>
const ACTIONS: Readonly<Record<string, Action>> = { list, check, gc }

/** Does something with the stores of these names, or with all; Ctrl-C stops it. */
async function withStores(
  call: CommandCall,
  action: Action,
  names: readonly string[]
): Promise<number> {
  const file = configFile(call)
  const config = readConfig('serve', { file, env: call.env })
  const stores = chosenStores(configuredStores(config.api, dataDirectory(call)), names)
  return await interruptible((signal) =>
    action({ call, config, stores, folder: configFolder(file), signal })
  )
}

const FLAGS_OF_PLACES = { config: FLAGS.config, 'data-dir': FLAGS['data-dir'] } as const

const GC_DETAILS =
  'gc deletes what lies in a store and belongs to no image of the registry: never use it on a bucket,\n' +
  'container or directory that another Tank uses, too. First it ends deletions that have waited for long\n' +
  'enough (deleteDelaySeconds), and deletes what the registry calls garbage. --dry-run only shows it.\n' +
  'Names of stores limit it to these.'

const GC_FLAGS = {
  'dry-run': { type: 'boolean', help: 'gc: show orphans, delete nothing' },
  force: { type: 'boolean', help: 'gc: also when the registry knows nothing of the store' },
  'older-than': {
    type: 'string',
    value: 'HOURS',
    help: `gc: leave alone what is newer (${OLD_HOURS})`
  }
} as const

export const gcCommand = {
  details: GC_DETAILS,
  words: '[STORE...]',
  flags: { ...FLAGS_OF_PLACES, ...GC_FLAGS },
  run: (call: CommandCall): Promise<number> => withStores(call, gc, call.words)
} as const

export const store = {
  details: `check writes, reads and deletes a probe in each store. ${GC_DETAILS}`,
  words: 'list|check|gc [STORE...]',
  flags: { ...FLAGS_OF_PLACES, ...GC_FLAGS },
  async run(call: CommandCall): Promise<number> {
    const [word = '', ...names] = call.words
    const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined
    if (action === undefined) throw new UsageError('Say tank store list, check or gc.')
    return withStores(call, action, names)
  }
} as const
