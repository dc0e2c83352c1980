import { randomUUID } from 'node:crypto'
import { basename, extname } from 'node:path'
import type { ContainerFormat, ImageDocument, NewImage, WrittenDiskFormat } from '@tank/client'
import { isTankClientError } from '@tank/client/tank-client'
import { bytesText } from '../admin/sizes.ts'
import { type Command, type CommandCall, text, UsageError } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentChanged } from '../output/present.ts'
import { printable } from '../output/printable.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { type Session, withSession } from '../remote/session.ts'
import { FIELD_FLAGS, fieldsOf, oneWord, properties } from './fields.ts'
import { foundFormat, packedWith } from './found-format.ts'
import { idOf, TAG_FLAG, tagsOf } from './new-image.ts'
import { openSource, type Source } from './source.ts'
import { sendBytes } from './transfer.ts'

const SUFFIXES = new Set([
  '.qcow2',
  '.img',
  '.raw',
  '.iso',
  '.vmdk',
  '.vhd',
  '.vhdx',
  '.vdi',
  '.ova'
])

function nameOf(call: CommandCall, path: string): string {
  const name = text(call, 'name')
  if (name !== undefined) return name
  if (path === '-') throw new UsageError('Say how the image is called: --name NAME.')
  const base = basename(path)
  const suffix = extname(base)
  return SUFFIXES.has(suffix.toLowerCase()) && suffix !== base
    ? base.slice(0, -suffix.length)
    : base
}

/** The formats that were asked for, else those that the bytes have. */
async function formatsOf(session: Session, path: string, source: Source) {
  const { disk_format, container_format } = fieldsOf(session.call)
  if (disk_format !== undefined) {
    return { disk_format, container_format: container_format ?? 'bare' }
  }
  const report = await source.look()
  const packed = report && packedWith(report)
  if (packed !== undefined) {
    throw new UsageError(
      `${path === '-' ? 'This' : path} is compressed by ${packed.name}. Unpack it first (${packed.tool}), ` +
        'or say what it is: --disk-format.'
    )
  }
  const found = report && foundFormat(report)
  // only its end would tell
  const formats = found ?? { disk_format: 'auto', container_format: 'bare' }
  if (found !== undefined)
    session.note(`taken as ${found.disk_format}; --disk-format says otherwise\n`)
  const [finding] = report?.findings.filter(({ severity }) => severity === 'reject') ?? []
  if (finding !== undefined) {
    session.note(`services may refuse it: ${finding.code}, it ${finding.message} (tank inspect)\n`)
  }
  return {
    disk_format: formats.disk_format as WrittenDiskFormat,
    container_format: container_format ?? (formats.container_format as ContainerFormat)
  }
}

type NamedImage = NewImage & { readonly id: string; readonly name: string }

/** Whether a creation that failed may have been carried out. */
function mayBeMade(error: unknown): boolean {
  if (!isTankClientError(error)) return true
  const { code, status = 0 } = error
  return code === 'CONNECTION_CLOSED' || code === 'TIMEOUT' || status >= 500
}

/** Makes the record. Only Tank knows the format `auto`: for other services it is raw then. */
async function create({ tank, signal, note }: Session, image: NamedImage): Promise<void> {
  try {
    await tank.create(image, { signal })
  } catch (error) {
    const isUnknown = image.disk_format === 'auto' && isTankClientError(error, 'INVALID_REQUEST')
    if (!isUnknown) throw error
    await tank.create({ ...image, disk_format: 'raw' }, { signal })
    note('taken as raw, since nothing says what it is; --disk-format says otherwise\n')
  }
}

/**
 * Makes an image and sends its bytes; whatever fails or interrupts it, no image is left. An image
 * that may have been there before is never deleted: only an id of our own proves that it is ours.
 */
async function push(session: Session, image: NamedImage, source: Source): Promise<ImageDocument> {
  const { tank, connection, signal, call } = session
  const { id, name } = image
  const title = `${name} to ${connection.url}`
  let isMade = false
  try {
    await create(session, image)
    isMade = true
    await sendBytes(session, id, title, source, { store: text(call, 'store') })
    const shown = await tank.show(id, { signal })
    if (image.disk_format === 'auto' && shown.disk_format !== 'raw')
      session.note(`found to be ${printable(String(shown.disk_format))}\n`)
    return shown
  } catch (error) {
    const isOwnId = text(call, 'id') === undefined
    if (isMade || (isOwnId && mayBeMade(error))) await takeBack(session, image)
    else if (mayBeMade(error)) {
      call.printError(`image ${id} may have been made; tank image show ${id} tells\n`)
    }
    throw error
  }
}

async function takeBack({ tank, call }: Session, image: NamedImage): Promise<void> {
  const { id } = image
  try {
    if (image.protected === true) await tank.update(id, { protected: false })
    await tank.delete(id)
  } catch (error) {
    if (isTankClientError(error) && error.status === 404) return
    call.printError(`the unfinished image is left; tank image delete ${id} removes it\n`)
  }
}

export const pushCommand: Command = {
  words: 'FILE|-',
  details:
    'Makes an image of a file, or of standard input. Its id goes to standard output. The format is\n' +
    'that of its bytes. Whatever goes wrong, also Ctrl-C, no half image is left.',
  examples: [
    'tank push debian-12.qcow2 --property os_distro=debian',
    'xzcat disk.raw.xz | tank push - --name disk --disk-format raw'
  ],
  flags: {
    name: { type: 'string', short: 'n', value: 'NAME', help: 'how it is called (as the file)' },
    ...FIELD_FLAGS,
    ...TAG_FLAG,
    store: { type: 'string', value: 'STORE', help: 'where the bytes are to lie (see tank stores)' },
    ...OUTPUT_FLAGS,
    ...CONNECTION_FLAGS
  },
  async run(call) {
    const presentation = presentationOf(call)
    const path = oneWord(call, 'file, or - for standard input')
    const name = nameOf(call, path)
    const wanted = {
      id: randomUUID(),
      ...idOf(call),
      ...fieldsOf(call),
      name,
      tags: tagsOf(call),
      properties: properties(call)
    }
    return await withSession(call, async (session) => {
      const source = await openSource(path, call, session.signal)
      const formats = await formatsOf(session, path, source)
      const image = await push(session, { ...wanted, ...formats }, source)
      const { size, os_hash_algo: algorithm, os_hash_value: digest } = image
      session.note(
        `${printable(name)} is ${image.status}: ${bytesText(size ?? 0)}, ${algorithm} ${digest}\n`
      )
      const isPlain = text(call, 'output') === undefined && presentation.columns === undefined
      call.print(isPlain ? `${image.id}\n` : await presentChanged(image, presentation, call))
    })
  }
}
