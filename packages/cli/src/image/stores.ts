import type { Command } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentList } from '../output/present.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { withSession } from '../remote/session.ts'

const COLUMNS = ['id', 'default', 'read_only', 'description']
const LONG = [...COLUMNS, 'type', 'weight']

export const stores: Command = {
  details:
    'The stores that a service offers to its users. tank store looks after those of a configuration.',
  flags: {
    long: { type: 'boolean', short: 'l', help: 'more fields; administrators only' },
    ...OUTPUT_FLAGS,
    ...CONNECTION_FLAGS
  },
  async run(call) {
    const presentation = presentationOf(call)
    const detail = call.values.long === true
    return await withSession(call, async ({ tank, signal }) => {
      const all = await tank.stores.list({ detail, signal })
      const records = all.map(({ id, description, isDefault, isReadOnly, type, weight }) => ({
        id,
        default: isDefault,
        read_only: isReadOnly,
        description: description ?? null,
        ...(detail ? { type, weight } : {})
      }))
      call.print(await presentList(records, presentation, detail ? LONG : COLUMNS))
    })
  }
}
