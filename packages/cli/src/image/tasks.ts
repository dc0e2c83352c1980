import type { Command } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentList } from '../output/present.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { withSession } from '../remote/session.ts'
import { oneWord } from './fields.ts'

const COLUMNS = ['id', 'type', 'status', 'created_at', 'message']

export const tasks: Command = {
  words: 'IMAGE',
  details: 'Imports and copies, what became of them and why.',
  flags: { ...OUTPUT_FLAGS, ...CONNECTION_FLAGS },
  async run(call) {
    const presentation = presentationOf(call)
    const image = oneWord(call, 'image')
    return await withSession(call, async (session) => {
      const { id } = await findImage(session, image)
      const all = await session.tank.tasks.ofImage(id, { signal: session.signal })
      const records = all.map((task) => ({ ...task }))
      call.print(await presentList(records, presentation, COLUMNS))
    })
  }
}
