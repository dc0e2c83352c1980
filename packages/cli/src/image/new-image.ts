import { type CommandCall, type Flag, text, texts, UsageError } from '../command-line.ts'

/** What can be said when an image is made, and not later in the same way. */
export const TAG_FLAG = {
  id: { type: 'string', value: 'UUID', help: 'the id that it is to have' },
  tag: { type: 'string', short: 't', value: 'TAG', multiple: true, help: 'a tag; may be repeated' }
} as const satisfies Record<string, Flag>

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The id that the flag asks for. */
export function idOf(call: CommandCall): { readonly id?: string } {
  const id = text(call, 'id')
  if (id === undefined) return {}
  if (!UUID.test(id)) throw new UsageError('--id is a UUID in lower case, as uuidgen makes them.')
  return { id }
}

export function tagsOf(call: CommandCall): readonly string[] {
  return texts(call, 'tag').filter((tag) => tag !== '')
}
