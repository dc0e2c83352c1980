import type { ImageDocument } from '@tank/client'
import { isTankClientError } from '@tank/client/tank-client'
import { bytesText, table } from '../admin/sizes.ts'
import { CommandError, EXIT } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import type { Session } from './session.ts'

const SHOWN = 10

const rowOf = ({ id, status, size, created_at }: ImageDocument) => [
  id,
  status,
  size === null ? '-' : bytesText(size),
  created_at
]

/** What to choose from when a name is that of several images. */
async function ambiguous({ tank, signal }: Session, name: string): Promise<CommandError> {
  const filter = { name: name.includes(':') ? `eq:${name}` : name }
  const rows = [['ID', 'STATUS', 'SIZE', 'CREATED']]
  let more = false
  for await (const image of tank.list(filter, { signal, pageSize: SHOWN + 1 })) {
    more = rows.length > SHOWN
    if (more) break
    rows.push(rowOf(image))
  }
  const count = `${more ? 'more than ' : ''}${rows.length - 1}`
  return new CommandError(
    EXIT.notFound,
    `${count} images are called ${printable(name)}. Say which one by its id:\n${table(rows).trimEnd()}`
  )
}

/** The one image of an id or a name. */
export async function findImage(session: Session, nameOrId: string): Promise<ImageDocument> {
  const { tank, signal } = session
  try {
    return await tank.find(nameOrId, { signal })
  } catch (error) {
    if (isTankClientError(error, 'AMBIGUOUS_NAME')) throw await ambiguous(session, nameOrId)
    if (isTankClientError(error, 'IMAGE_NOT_FOUND')) {
      const said = `no image has the name or id ${printable(nameOrId)}. tank image list shows all.`
      throw new CommandError(EXIT.notFound, said)
    }
    throw error
  }
}
