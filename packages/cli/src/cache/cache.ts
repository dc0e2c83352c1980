import { type Command, CommandError, EXIT, type Flag, text, UsageError } from '../command-line.ts'
import { oneWord } from '../image/fields.ts'
import { OUTPUT_FLAGS, presentationOf, presentList } from '../output/present.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { confirmed } from '../remote/prompt.ts'
import { withSession } from '../remote/session.ts'

const COLUMNS = ['image_id', 'state', 'size', 'hits', 'last_accessed', 'last_modified']

/** Seconds since 1970 as RFC 3339; 0 is never. */
const time = (seconds: number) =>
  seconds > 0 ? new Date(Math.floor(seconds) * 1000).toISOString().replace('.000', '') : null

export const cacheList: Command = {
  details: 'What the cache of the node has that answers, and what waits for its turn.',
  flags: { ...OUTPUT_FLAGS, ...CONNECTION_FLAGS },
  async run(call) {
    const presentation = presentationOf(call)
    return await withSession(call, async ({ tank, signal }) => {
      const { cached, queued } = await tank.cache.list({ signal })
      const records = [
        ...cached.map((each) => ({
          ...each,
          state: 'cached',
          last_accessed: time(each.last_accessed),
          last_modified: time(each.last_modified)
        })),
        ...queued.map((image_id) => ({ image_id, state: 'queued' }))
      ]
      call.print(await presentList(records, presentation, COLUMNS))
    })
  }
}

export const cacheQueue: Command = {
  words: 'IMAGE...',
  details: 'The images are fetched in the background.',
  flags: CONNECTION_FLAGS,
  async run(call) {
    if (call.words.length === 0) throw new UsageError('Say which image.')
    return await withSession(call, async (session) => {
      for (const word of call.words) {
        const { id } = await findImage(session, word)
        await session.tank.cache.queue(id, { signal: session.signal })
      }
    })
  }
}

export const cacheDelete: Command = {
  words: 'IMAGE',
  details: 'Removes an image from cache and queue; the image itself stays.',
  flags: CONNECTION_FLAGS,
  async run(call) {
    const image = oneWord(call, 'image')
    return await withSession(call, async (session) => {
      const { id } = await findImage(session, image)
      await session.tank.cache.remove(id, { signal: session.signal })
    })
  }
}

const TARGETS = ['cache', 'queue', 'both'] as const

export const cacheClear: Command = {
  details: 'Empties cache and queue of the node that answers; no image is lost.',
  flags: {
    target: {
      type: 'string',
      value: 'WHICH',
      choices: TARGETS,
      help: 'cache, queue or both (both)'
    },
    yes: { type: 'boolean', short: 'y', help: 'do not ask' },
    ...CONNECTION_FLAGS
  } satisfies Record<string, Flag>,
  async run(call) {
    const said = text(call, 'target') ?? 'both'
    const target = TARGETS.find((each) => each === said)
    if (target === undefined) throw new UsageError('--target is cache, queue or both.')
    return await withSession(call, async ({ tank, signal, connection }) => {
      const what = target === 'both' ? 'cache and queue' : target
      if (!(await confirmed(call, `Empty the ${what} of ${connection.url}?`, signal))) {
        throw new CommandError(EXIT.failed, 'nothing was removed.')
      }
      await tank.cache.clear(target, { signal })
    })
  }
}
