import type { ImageDocument } from '@tank/client'
import { type Command, CommandError, EXIT, UsageError } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { confirmed } from '../remote/prompt.ts'
import { type Session, withSession } from '../remote/session.ts'

const nameOf = ({ id, name }: ImageDocument) => (name === null ? id : `${printable(name)} (${id})`)

/** Asks before several go at once. */
async function mayDelete({ call, signal }: Session, images: readonly ImageDocument[]) {
  if (images.length < 2) return
  const list = images.map((image) => `  ${nameOf(image)}\n`).join('')
  if (!(await confirmed(call, `${list}Delete these ${images.length} images?`, signal))) {
    throw new CommandError(EXIT.failed, 'nothing was deleted.')
  }
}

export const deleteCommand: Command = {
  words: 'IMAGE...',
  details: 'Asks before several are deleted at once; where nobody can be asked, --yes is needed.',
  examples: ['tank image delete debian'],
  flags: {
    yes: { type: 'boolean', short: 'y', help: 'do not ask' },
    ...CONNECTION_FLAGS
  },
  async run(call) {
    if (call.words.length === 0) throw new UsageError('Say which image.')
    return await withSession(call, async (session) => {
      const { tank, signal } = session
      // all are found before the first one goes
      const images = new Map<string, ImageDocument>()
      for (const word of call.words) {
        const image = await findImage(session, word)
        images.set(image.id, image)
      }
      await mayDelete(session, [...images.values()])
      for (const image of images.values()) {
        await tank.delete(image.id, { signal })
        session.note(`deleted ${nameOf(image)}\n`)
      }
    })
  }
}
