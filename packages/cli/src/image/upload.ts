import { type Command, text } from '../command-line.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { withSession } from '../remote/session.ts'
import { twoWords } from './fields.ts'
import { openSource } from './source.ts'
import { sendBytes } from './transfer.ts'

export const upload: Command = {
  words: 'IMAGE FILE|-',
  details: 'The image waits for its bytes (queued), and does so again when the upload fails.',
  examples: ['tank image upload debian debian-12.qcow2'],
  flags: {
    store: { type: 'string', value: 'STORE', help: 'where the bytes are to lie (see tank stores)' },
    ...CONNECTION_FLAGS
  },
  async run(call) {
    const [image, path] = twoWords(call, 'image', 'which file, or -')
    return await withSession(call, async (session) => {
      const { id, name } = await findImage(session, image)
      const source = await openSource(path, call, session.signal)
      const title = `${name ?? id} to ${session.connection.url}`
      await sendBytes(session, id, title, source, { store: text(call, 'store') })
    })
  }
}
