import type { MemberDocument, MemberStatus } from '@tank/client'
import { type Command, CommandError, EXIT, text, UsageError } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentList } from '../output/present.ts'
import { printable } from '../output/printable.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { type Session, withSession } from '../remote/session.ts'
import { oneWord, wordsAfter } from './fields.ts'

export const share: Command = {
  words: 'IMAGE PROJECT...',
  details:
    'The projects can use it at once, and see it in their lists once they have accepted it\n' +
    '(tank image accept). A private image becomes a shared one.',
  examples: ['tank image share debian builds'],
  flags: CONNECTION_FLAGS,
  async run(call) {
    const [image, projects] = wordsAfter(call, 'image', 'with which project')
    return await withSession(call, async (session) => {
      const { tank, signal } = session
      const { id, visibility } = await findImage(session, image)
      if (visibility === 'private') {
        await tank.update(id, { visibility: 'shared' }, { signal })
        session.note('its visibility is shared now\n')
      }
      for (const project of projects) await tank.members.add(id, project, { signal })
    })
  }
}

/** The membership that is meant: a member sees its own alone. */
async function membership(
  { call, tank, signal }: Session,
  id: string
): Promise<Pick<MemberDocument, 'member_id'>> {
  const project = text(call, 'project')
  if (project !== undefined) return { member_id: project }
  const [only, ...others] = await tank.members.list(id, { signal })
  if (only === undefined) {
    throw new CommandError(EXIT.notFound, 'nobody offers this image to you.')
  }
  if (others.length > 0) {
    const names = [only, ...others].map(({ member_id }) => printable(member_id)).join(', ')
    throw new UsageError(`Say for which project: --project, one of ${names}.`)
  }
  return only
}

/** What a project says to an image that is offered to it. */
function reply(status: MemberStatus, details: string): Command {
  return {
    words: 'IMAGE',
    details,
    flags: {
      project: { type: 'string', value: 'PROJECT', help: 'who says it (the own one)' },
      ...CONNECTION_FLAGS
    },
    async run(call) {
      const image = oneWord(call, 'image')
      return await withSession(call, async (session) => {
        const { id } = await findOffered(session, image)
        const { member_id } = await membership(session, id)
        await session.tank.members.setStatus(id, member_id, status, { signal: session.signal })
      })
    }
  }
}

/** An image by id or name; also one that is offered and not accepted, which no list shows by itself. */
async function findOffered(session: Session, nameOrId: string) {
  const { tank, signal } = session
  try {
    return await findImage(session, nameOrId)
  } catch (error) {
    const filter = { name: nameOrId, visibility: 'shared', member_status: 'all' }
    const offered = []
    for await (const image of tank.list(filter, { signal })) offered.push(image)
    const [only, ...others] = offered
    if (only === undefined || others.length > 0) throw error
    return only
  }
}

export const accept = reply('accepted', 'An image that another project offers: show it in lists.')
export const reject = reply(
  'rejected',
  'An image that another project offers: keep it out of lists.'
)

const COLUMNS = ['member_id', 'status', 'created_at', 'updated_at']

export const members: Command = {
  words: 'IMAGE',
  details: 'The projects that an image is shared with, and what they say to it.',
  flags: { ...OUTPUT_FLAGS, ...CONNECTION_FLAGS },
  async run(call) {
    const presentation = presentationOf(call)
    const image = oneWord(call, 'image')
    return await withSession(call, async (session) => {
      const { id } = await findImage(session, image)
      const all = await session.tank.members.list(id, { signal: session.signal })
      call.print(
        await presentList(
          all.map((each) => ({ ...each })),
          presentation,
          COLUMNS
        )
      )
    })
  }
}
