import type { RegistryClient, StoredPlacement } from '@tank/client'
import { chosenStores, eachStore, type StoresContext } from '../admin/each-store.ts'
import type { OpenStore } from '../admin/open-store.ts'
import { keyText, verdictOf } from '../admin/placement-verdict.ts'
import { bytesText } from '../admin/sizes.ts'
import { withRegistry } from '../admin/with-registry.ts'
import { type CommandCall, FLAGS, text, UsageError } from '../command-line.ts'
import { createProgress } from '../output/progress.ts'
import { configFile, configFolder, dataDirectory } from '../places.ts'
import { interruptible } from '../remote/session.ts'
import { configuredStores } from '../stores.ts'

const PAGE = 100
const MIB = 1024 * 1024
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface Scrub extends StoresContext {
  readonly registry: RegistryClient
  /** bytes in a second */
  readonly rate: number | undefined
  /** Where an earlier run ended. */
  readonly after: string | undefined
}

interface Counts {
  well: number
  bad: number
  unproven: number
  gone: number
  bytes: number
}

async function* placementsOf({ registry, signal }: Scrub, store: string, from: string | undefined) {
  let after = from
  for (;;) {
    const page = await registry.listPlacements(store, { after, limit: PAGE }, { signal })
    yield* page
    after = page.at(-1)?.id
    if (page.length < PAGE) return
  }
}

function imagesText({ role, images }: StoredPlacement): string {
  if (images.length === 0) return 'no image'
  const those = `${images.length === 1 ? 'image' : 'images'} ${images.join(', ')}`
  return role === 'staged' ? `staged data of ${those}` : those
}

function countsText({ well, bad, unproven, gone, bytes }: Counts): string {
  const without = unproven === 0 ? '' : `, ${unproven} unproven (the registry has no digest)`
  const deleted = gone === 0 ? '' : `, ${gone} deleted meanwhile`
  return `${well} well, ${bad} bad${without}${deleted}, ${bytesText(bytes)} read`
}

/** Reads everything that the registry says lies in one store. */
async function scrubStore(context: Scrub, open: OpenStore): Promise<boolean> {
  const { call, after } = context
  const { name } = open
  const counts: Counts = { well: 0, bad: 0, unproven: 0, gone: 0, bytes: 0 }
  const progress = createProgress({
    stream: call.streams.stderr,
    title: `${name}: read`,
    quiet: call.values.quiet === true
  })
  const { registry, signal, rate } = context
  const reader = { registry, signal, rate }
  const onBytes = (bytes: number) => {
    counts.bytes += bytes
    progress.update({ bytes: counts.bytes, total: undefined })
  }
  let last = after
  try {
    for await (const placement of placementsOf(context, name, after)) {
      const verdict = await verdictOf({ ...reader, onBytes }, open.store, placement)
      last = placement.id
      counts[verdict.is] += 1
      if (verdict.is !== 'bad') continue
      progress.clear()
      const key = keyText(placement.key)
      call.print(`${name}: BAD ${key} of ${imagesText(placement)}: ${verdict.fault}\n`)
    }
  } catch (error) {
    progress.clear()
    if (last !== undefined)
      call.printError(`tank scrub ${name} --after ${last} goes on from here\n`)
    throw error
  }
  progress.clear()
  call.print(`${name}: ${countsText(counts)}\n`)
  return counts.bad === 0
}

function rateOf(call: CommandCall): number | undefined {
  const said = text(call, 'rate')
  if (said === undefined) return undefined
  const mib = /^\d{1,6}(\.\d{1,3})?$/.test(said) ? Number(said) : 0
  if (mib === 0) throw new UsageError(`--rate is a number of MiB in a second, not "${said}".`)
  return mib * MIB
}

function afterOf(call: CommandCall): string | undefined {
  const after = text(call, 'after')
  if (after === undefined) return undefined
  if (!UUID.test(after)) throw new UsageError('--after is what an interrupted scrub has said.')
  if (call.words.length !== 1) throw new UsageError('--after goes on in one store: say which.')
  return after
}

export const scrub = {
  details:
    'Reads all bytes of all images back from the stores and compares them with the sizes and digests\n' +
    'that the registry has. It changes nothing, deletes nothing, and may run beside the service. What is\n' +
    'bad is told with its image and ends in exit code 1. A good copy in another store is what downloads\n' +
    'fall back to; without one, tank image deactivate keeps people from the image until it is uploaded\n' +
    'again. After Ctrl-C, --after goes on from there.',
  words: '[STORE...]',
  examples: ['tank scrub', 'tank scrub main --rate 50'],
  flags: {
    config: FLAGS.config,
    'data-dir': FLAGS['data-dir'],
    rate: { type: 'string', value: 'MIB', help: 'read so many MiB in a second at most' },
    after: { type: 'string', value: 'ID', help: 'go on where an earlier run ended' },
    quiet: { type: 'boolean', short: 'q', help: 'no progress' }
  },
  async run(call: CommandCall): Promise<number> {
    const settings = { rate: rateOf(call), after: afterOf(call) }
    return await interruptible((signal) =>
      withRegistry(call, ({ config, registry }) => {
        const stores = chosenStores(configuredStores(config.api, dataDirectory(call)), call.words)
        const folder = configFolder(configFile(call))
        const context: Scrub = { call, config, stores, folder, signal, registry, ...settings }
        return eachStore(context, (open) => scrubStore(context, open))
      })
    )
  }
} as const
