import type { LegacyBrief, LegacyList } from '@tank/client'
import { type Command, type CommandCall, integer, text, UsageError } from '../command-line.ts'
import { choose } from '../remote/prompt.ts'
import { CLASSIC_FLAGS, FORCE_FLAG, LIST_FLAGS } from './flags.ts'
import { recordBlock, tableHead, tableRow } from './layout.ts'
import { pairsOf } from './pairs.ts'
import { type ClassicSession, withClassic, wordsOf } from './session.ts'

const FILTERS = new Set([
  'name',
  'disk_format',
  'container_format',
  'status',
  'min_ram',
  'min_disk',
  'size_min',
  'size_max',
  'changes-since'
])
const PAGE = 10

function filtersOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    [...pairsOf(words)].map(([name, value]) => [
      FILTERS.has(name) ? name : `property-${name}`,
      value
    ])
  )
}

function directionOf(call: CommandCall): 'asc' | 'desc' | undefined {
  const said = text(call, 'sort_dir')
  if (said === undefined || said === 'asc' || said === 'desc') return said
  throw new UsageError(`--sort_dir is asc or desc, not "${said}".`)
}

interface Pages<T> {
  readonly get: (list: LegacyList) => Promise<readonly T[]>
  /** Whether another page is wanted. */
  readonly more: () => Promise<boolean>
}

/**
 * Every page until one is empty, or nobody wants more. A page may be short because the service has a
 * limit of its own; nobody is asked then.
 */
export async function* pagesOf<T extends Pick<LegacyBrief, 'id'>>(
  list: LegacyList & { readonly limit: number },
  { get, more }: Pages<T>
): AsyncGenerator<readonly T[]> {
  let marker = list.marker
  for (;;) {
    const page = await get({ ...list, marker })
    const last = page.at(-1)?.id
    // a service that knows no marker would begin again for ever
    if (last === undefined || last === marker) return
    yield page
    marker = last
    if (page.length >= list.limit && !(await more())) return
  }
}

/** Shows pages of images; asks before each further one where there is somebody to ask. */
async function showPages<T extends LegacyBrief>(
  { call, signal }: ClassicSession,
  get: Pages<T>['get'],
  show: (page: readonly T[], isFirst: boolean) => string
): Promise<void> {
  const limit = integer(call, 'limit') ?? PAGE
  const list = {
    filters: filtersOf(call.words),
    limit,
    marker: text(call, 'marker'),
    sort_key: text(call, 'sort_key'),
    sort_dir: directionOf(call)
  }
  const more = async () =>
    call.values.force === true ||
    (await choose(call, 'Fetch next page?', { otherwise: true, signal }))
  let isFirst = true
  for await (const page of pagesOf(list, { get, more })) {
    call.print(show(page, isFirst))
    isFirst = false
  }
}

const flags = { ...CLASSIC_FLAGS, ...LIST_FLAGS, ...FORCE_FLAG }

export const index: Command = {
  words: '[FIELD=VALUE...]',
  details:
    'Lists the images that anybody may use, and one’s own, in pages. Filters are name, disk_format,\n' +
    'container_format, status, min_ram, min_disk, size_min, size_max and changes-since; others are\n' +
    'properties.',
  examples: ['tank index name=debian', 'tank index --sort_key=size --sort_dir=desc --limit 5'],
  flags,
  async run(call) {
    return await withClassic(call, undefined, async (session) => {
      const { client, signal } = session
      await showPages(
        session,
        (list) => client.getImages(list, { signal }),
        (page, isFirst) => (isFirst ? tableHead() : '') + page.map(tableRow).join('')
      )
    })
  }
}

const RULE = `${'='.repeat(80)}\n`

export const details: Command = {
  words: '[FIELD=VALUE...]',
  details: 'As tank index, with all that is known of each image.',
  flags,
  async run(call) {
    return await withClassic(call, undefined, async (session) => {
      const { client, signal, url } = session
      await showPages(
        session,
        (list) => client.getImagesDetailed(list, { signal }),
        (page, isFirst) =>
          (isFirst ? RULE : '') + page.map((image) => recordBlock(url, image) + RULE).join('')
      )
    })
  }
}

export const show: Command = {
  words: 'ID',
  details: 'All that is known of an image.',
  flags: CLASSIC_FLAGS,
  async run(call) {
    const [id = ''] = wordsOf(call, 'ID')
    return await withClassic(call, id, async ({ client, signal, url }) => {
      call.print(recordBlock(url, await client.getImageMeta(id, { signal })))
    })
  }
}
