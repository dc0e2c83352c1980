import { type Command, text, texts, UsageError } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentChanged } from '../output/present.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { withSession } from '../remote/session.ts'
import { FIELD_FLAGS, fieldsOf, oneWord, properties } from './fields.ts'

const OPPOSITES = [
  ['unprotect', 'protected'],
  ['unhide', 'os_hidden']
] as const

export const set: Command = {
  words: 'IMAGE',
  details: 'Changes what is named and nothing else.',
  examples: ['tank image set debian --property os_version=12 --visibility public'],
  flags: {
    name: { type: 'string', short: 'n', value: 'NAME', help: 'another name' },
    ...FIELD_FLAGS,
    'remove-property': {
      type: 'string',
      value: 'NAME',
      multiple: true,
      help: 'without this property; may be repeated'
    },
    unprotect: { type: 'boolean', help: 'allow to delete it' },
    unhide: { type: 'boolean', help: 'show it in lists' },
    ...OUTPUT_FLAGS,
    ...CONNECTION_FLAGS
  },
  async run(call) {
    const presentation = presentationOf(call)
    const image = oneWord(call, 'image')
    const name = text(call, 'name')
    const off = OPPOSITES.filter(([flag]) => call.values[flag] === true)
    const removed = texts(call, 'remove-property').map((each) => [each, null] as const)
    const changed = { ...properties(call), ...Object.fromEntries(removed) }
    const changes = {
      ...fieldsOf(call),
      ...(name === undefined ? {} : { name }),
      ...Object.fromEntries(off.map(([, field]) => [field, false])),
      ...(Object.keys(changed).length === 0 ? {} : { properties: changed })
    }
    if (Object.keys(changes).length === 0) {
      throw new UsageError('Say what is to change. See tank help image set.')
    }
    return await withSession(call, async (session) => {
      const { id } = await findImage(session, image)
      const { tank, signal } = session
      const shown = await tank.update(id, changes, { signal })
      call.print(await presentChanged(shown, presentation, call))
    })
  }
}
