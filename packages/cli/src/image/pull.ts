import { lstat, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { ImageDocument } from '@tank/client'
import { bytesText } from '../admin/sizes.ts'
import {
  type Command,
  type CommandCall,
  CommandError,
  EXIT,
  integer,
  text,
  UsageError
} from '../command-line.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { type Session, withSession } from '../remote/session.ts'
import { oneWord } from './fields.ts'
import { showingProgress } from './transfer.ts'

const NAME_BYTES = 200
const FORMAT = /^[a-z0-9]{1,16}$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * A name that is one everywhere: all that it is made of is from the service or from whoever made the
 * image. S-25: it never leads to another folder.
 */
export function fileName({
  id,
  name,
  disk_format: format
}: Pick<ImageDocument, 'id' | 'name' | 'disk_format'>): string {
  const plain = (name ?? '')
    .normalize('NFC')
    .replaceAll(/[\p{C}\p{Z}/\\:*?"<>|]+/gu, '-')
    .replace(/^[.-]+|[.-]+$/g, '')
  const stem = Buffer.byteLength(plain) > NAME_BYTES ? '' : plain
  const suffix = `.${format !== null && FORMAT.test(format) ? format : 'img'}`
  const base = stem === '' ? (UUID.test(id) ? id : 'image') : stem
  const file = base.toLowerCase().endsWith(suffix) ? base : `${base}${suffix}`
  if (basename(file) !== file) throw new Error('an image without a name for a file: use -o FILE.')
  return file
}

const isFolder = async (path: string) =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true

/** Where the bytes go to: a file that is not there yet. */
async function targetOf(call: CommandCall, image: ImageDocument): Promise<string> {
  const said = text(call, 'output')
  const path =
    said === undefined
      ? fileName(image)
      : (await isFolder(said))
        ? join(said, fileName(image))
        : said
  const found = await lstat(path).catch(() => undefined)
  if (found !== undefined && call.values.force !== true) {
    throw new CommandError(
      EXIT.failed,
      `${path} is there already. --force writes over it, -o names another file.`
    )
  }
  return path
}

async function toOutput(session: Session, image: ImageDocument, allowUnverified: boolean) {
  const { tank, call, signal } = session
  const { stdout } = call.streams
  const title = image.name ?? image.id
  return await showingProgress(session, title, (onProgress) =>
    tank.download(image.id, stdout as NodeJS.WriteStream, { signal, onProgress, allowUnverified })
  )
}

async function toFile(session: Session, image: ImageDocument, allowUnverified: boolean) {
  const { tank, call, signal } = session
  const path = await targetOf(call, image)
  const title = `${image.name ?? image.id} to ${path}`
  const parallel = integer(call, 'parallel') ?? 1
  const options = { signal, allowUnverified, parallel, resume: true }
  const result = await showingProgress(session, title, (onProgress) =>
    tank.download(image.id, path, { ...options, onProgress })
  )
  if (result.resumed > 0) session.note(`${bytesText(result.resumed)} of it were here already\n`)
  call.print(`${path}\n`)
  return result
}

/** Brings the bytes of an image here. */
export const pull: Command = {
  words: 'IMAGE',
  details:
    'The file has its name only once its bytes are complete and their digest is right, and stdout says\n' +
    'that name. What was cut by a broken connection or Ctrl-C lies beside it; the same command goes on\n' +
    'from there.',
  examples: ['tank pull debian', 'tank pull debian -o - | gzip > debian.gz'],
  flags: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE|-',
      help: 'where to: a file, a folder, - for standard output (named as the image)'
    },
    force: { type: 'boolean', help: 'write over a file' },
    parallel: { type: 'string', value: 'N', help: 'so many parts at the same time (1)' },
    'allow-unverified': { type: 'boolean', help: 'also when no digest can prove the bytes' },
    ...CONNECTION_FLAGS
  },
  async run(call) {
    const image = oneWord(call, 'image')
    const isOutput = text(call, 'output') === '-'
    if (isOutput && call.streams.stdout.isTTY === true) {
      throw new UsageError(
        'An image is nothing for a terminal: name a file, or send it to a program.'
      )
    }
    return await withSession(call, async (session) => {
      const found = await findImage(session, image)
      const allow = call.values['allow-unverified'] === true
      const { verifiedWith } = await (isOutput ? toOutput : toFile)(session, found, allow)
      session.note(
        verifiedWith === undefined
          ? 'its bytes are not verified: the service names no digest\n'
          : `verified with ${verifiedWith}\n`
      )
    })
  }
}
