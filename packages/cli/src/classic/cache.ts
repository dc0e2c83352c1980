import type { LegacyCachedImage } from '@tank/client'
import { isTankClientError } from '@tank/client/tank-client'
import { type Command, UsageError } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { choose } from '../remote/prompt.ts'
import { CLASSIC_FLAGS, FORCE_FLAG } from './flags.ts'
import { ClassicFailure, type ClassicSession, withClassic } from './session.ts'

const COLUMNS = [
  ['ID', 36],
  ['Last Accessed (UTC)', 19],
  ['Last Modified (UTC)', 19],
  ['Size', 14],
  ['Hits', 10]
] as const

/** `2026-11-29T03:50:22` of seconds since 1970. */
const time = (seconds: number) =>
  seconds > 0 ? new Date(seconds * 1000).toISOString().slice(0, 19) : 'N/A'

function row({ image_id, last_accessed, last_modified, size, hits }: LegacyCachedImage): string {
  return `${[
    printable(image_id).padEnd(36),
    time(last_accessed).padEnd(19),
    time(last_modified).padEnd(19),
    String(size).padStart(14),
    String(hits).padStart(10)
  ].join(' ')}\n`
}

async function listCached({ call, client, signal }: ClassicSession): Promise<void> {
  const all = await client.getCachedImages({ signal })
  if (all.length === 0) {
    call.print('No cached images\n')
    return
  }
  const head = COLUMNS.map(([name, width]) => name.padEnd(width)).join(' ')
  const line = COLUMNS.map(([, width]) => '-'.repeat(width)).join(' ')
  call.print(`Found ${all.length} cached images...\n${head}\n${line}\n${all.map(row).join('')}`)
}

async function listQueued({ call, client, signal }: ClassicSession): Promise<void> {
  const all = await client.getQueuedImages({ signal })
  if (all.length === 0) {
    call.print('No queued images\n')
    return
  }
  const rows = all.map((id) => `${printable(id)}\n`).join('')
  call.print(`Found ${all.length} queued images...\n${'ID'.padEnd(36)}\n${'-'.repeat(36)}\n${rows}`)
}

type Act = (session: ClassicSession, id: string) => Promise<string>

interface Verb {
  /** Whether an image has to be named. */
  readonly isOfImage: boolean
  /** What is asked before. */
  readonly question?: (id: string) => string
  readonly act: Act
}

const silent =
  (run: (session: ClassicSession) => Promise<void>): Act =>
  async (session) => {
    await run(session)
    return ''
  }

const VERBS: Readonly<Record<string, Verb>> = {
  'list-cached': { isOfImage: false, act: silent(listCached) },
  'list-queued': { isOfImage: false, act: silent(listQueued) },
  'queue-image': {
    isOfImage: true,
    question: (id) => `Queue image ${id} for caching?`,
    act: async ({ client, signal }, id) => {
      await client.queueImageForCaching(id, { signal })
      return `Queued image ${id} for caching`
    }
  },
  'delete-cached-image': {
    isOfImage: true,
    question: (id) => `Delete cached image ${id}?`,
    act: async ({ client, signal }, id) => {
      await client.deleteCachedImage(id, { signal })
      return `Deleted cached image ${id}`
    }
  },
  'delete-all-cached-images': {
    isOfImage: false,
    question: () => 'Delete all cached images?',
    act: async ({ client, signal }) =>
      `Deleted ${await client.deleteAllCachedImages({ signal })} cached images`
  },
  'delete-queued-image': {
    isOfImage: true,
    question: (id) => `Delete queued image ${id}?`,
    act: async ({ client, signal }, id) => {
      await client.deleteQueuedImage(id, { signal })
      return `Deleted queued image ${id}`
    }
  },
  'delete-all-queued-images': {
    isOfImage: false,
    question: () => 'Delete all queued images?',
    act: async ({ client, signal }) =>
      `Deleted ${await client.deleteAllQueuedImages({ signal })} queued images`
  }
}

/** A service without a cache knows none of its addresses. */
async function orWithoutCache<T>(session: ClassicSession, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isTankClientError(error) || error.status !== 404) throw error
    const { client, signal, url } = session
    // an image that is not there is another matter
    const hasCache = await client.getQueuedImages({ signal }).then(
      () => true,
      () => false
    )
    if (hasCache) throw error
    const { hostname } = new URL(url)
    throw new ClassicFailure(`Cache management middleware not enabled on host ${hostname}`)
  }
}

export const cacheManage: Command = {
  words: `${Object.keys(VERBS).join('|')} [ID]`,
  details:
    'The cache of the node that answers, for administrators. What changes something asks first; where\n' +
    'nobody can be asked, --force is needed. tank cache does the same in the newer way.',
  flags: { ...CLASSIC_FLAGS, ...FORCE_FLAG },
  async run(call) {
    const [word = '', id, extra] = call.words
    const verb = Object.hasOwn(VERBS, word) ? VERBS[word] : undefined
    if (verb === undefined) throw new UsageError(`Say one of ${Object.keys(VERBS).join(', ')}.`)
    if (verb.isOfImage && id === undefined) throw new UsageError('Say ID.')
    const more = verb.isOfImage ? extra : id
    if (more !== undefined) throw new UsageError(`"${more}" is one word too many.`)
    return await withClassic(call, id, async (session) => {
      const { signal, isVerbose } = session
      const question = verb.question?.(printable(id ?? ''))
      const isSure =
        question === undefined ||
        call.values.force === true ||
        (await choose(call, question, { otherwise: false, signal }))
      if (!isSure) throw new ClassicFailure('Nothing was done. --force does it without a question.')
      const done = await orWithoutCache(session, () => verb.act(session, id ?? ''))
      if (isVerbose && done !== '') call.print(`${printable(done)}\n`)
    })
  }
}
