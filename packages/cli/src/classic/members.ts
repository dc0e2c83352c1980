import type { Command, CommandCall } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { CLASSIC_FLAGS, DRY_RUN_FLAG } from './flags.ts'
import { type ClassicSession, withClassic, wordsOf } from './session.ts'

type Line = readonly [id: string, canShare: boolean]

/** One a line, those who may share marked. */
function lines(all: readonly Line[]): string {
  const rows = all.map(([id, canShare]) => `${printable(id)}${canShare ? ' *' : ''}\n`)
  const note = all.some(([, canShare]) => canShare) ? '\n(*: Can share image)\n' : ''
  return rows.join('') + note
}

export const imageMembers: Command = {
  words: 'ID',
  details: 'The projects that an image is shared with.',
  flags: CLASSIC_FLAGS,
  async run(call) {
    const [id = ''] = wordsOf(call, 'ID')
    return await withClassic(call, id, async ({ client, signal }) => {
      const all = await client.getImageMembers(id, { signal })
      call.print(lines(all.map((each) => [each.member_id, each.can_share === true])))
    })
  }
}

export const memberImages: Command = {
  words: 'MEMBER',
  details: 'The images that are shared with a project.',
  flags: CLASSIC_FLAGS,
  async run(call) {
    const [member = ''] = wordsOf(call, 'MEMBER')
    return await withClassic(call, undefined, async ({ client, signal }) => {
      const all = await client.getMemberImages(member, { signal })
      call.print(lines(all.map((each) => [each.image_id, each.can_share === true])))
    })
  }
}

const CAN_SHARE = {
  'can-share': { type: 'boolean', help: 'it may share the image with others' }
} as const

/** A change of the members of one image; silent when it is done. */
function change(
  details: string,
  flags: Command['flags'],
  act: (session: ClassicSession, id: string, member: string, canShare: boolean) => Promise<unknown>,
  what: string
): Command {
  return {
    words: 'ID MEMBER',
    details,
    flags: { ...CLASSIC_FLAGS, ...flags, ...DRY_RUN_FLAG },
    async run(call: CommandCall) {
      const [id = '', member = ''] = wordsOf(call, 'ID', 'MEMBER')
      return await withClassic(call, id, async (session) => {
        if (call.values['dry-run'] === true) {
          call.print(`Image ${printable(id)}: ${what} ${printable(member)}\n`)
          return
        }
        await act(session, id, member, call.values['can-share'] === true)
      })
    }
  }
}

export const memberAdd = change(
  'Shares an image with a project.',
  CAN_SHARE,
  ({ client, signal }, id, member, canShare) => client.addMember(id, member, canShare, { signal }),
  'would be shared with'
)

export const memberDelete = change(
  'Ends that an image is shared with a project.',
  {},
  ({ client, signal }, id, member) => client.deleteMember(id, member, { signal }),
  'would not be shared any more with'
)

export const membersReplace = change(
  'Shares an image with this project and no other.',
  CAN_SHARE,
  ({ client, signal }, id, member, canShare) =>
    client.replaceMembers(id, [{ member_id: member, can_share: canShare }], { signal }),
  'would only be shared with'
)
