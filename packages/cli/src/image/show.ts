import type { Command } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentRecord } from '../output/present.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { withSession } from '../remote/session.ts'
import { oneWord } from './fields.ts'

export const show: Command = {
  words: 'IMAGE',
  details: 'IMAGE is a name or an id, here as everywhere.',
  examples: ['tank image show debian', 'tank image show debian -o value -c os_hash_value'],
  flags: { ...OUTPUT_FLAGS, ...CONNECTION_FLAGS },
  async run(call) {
    const presentation = presentationOf(call)
    const image = oneWord(call, 'image')
    return await withSession(call, async (session) => {
      call.print(await presentRecord(await findImage(session, image), presentation))
    })
  }
}
