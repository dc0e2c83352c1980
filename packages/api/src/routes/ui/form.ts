import { once } from 'node:events'
import { pipeline, type Readable, Transform } from 'node:stream'
import type { Multipart } from '@fastify/multipart'
import { TankError } from '@tank/model'
import type { FastifyRequest } from 'fastify'

/** Fields of the form, in the order in which the page has them; each at most once, before the file. */
const FIELDS: ReadonlySet<string> = new Set([
  'token',
  'name',
  'disk_format',
  'container_format',
  'visibility',
  'min_disk',
  'min_ram',
  'tags',
  'properties'
])

/**
 * What a form may bring. The file has no limit here: the service counts it against its own. One more
 * file and some more fields than allowed are read, so that what is refused can be named.
 */
export const FORM_LIMITS = {
  fieldNameSize: 100,
  fieldSize: 65_536,
  fields: FIELDS.size + 8,
  files: 2,
  parts: FIELDS.size + 10,
  headerPairs: 16,
  headerSize: 8192,
  fileSize: Number.POSITIVE_INFINITY
} as const

/** A form that was read up to its file. */
export interface UploadForm {
  /** Of the fields that were filled in. */
  readonly fields: ReadonlyMap<string, string>
  /** The file: it ends when the whole form has ended well, and is destroyed otherwise. */
  readonly file: Readable
  /** What was wrong with the rest of the form, once `file` is destroyed. */
  readonly fault: () => TankError | undefined
}

type Parts = AsyncIterator<Multipart>

function refused(message: string, cause?: unknown): TankError {
  return new TankError('INVALID_REQUEST', message, { cause })
}

const FAULTS: Readonly<Record<string, string>> = {
  FST_MP_PREMATURE_CLOSE: 'The body was not complete',
  FST_PARTS_LIMIT: 'The form has too many parts',
  FST_FIELDS_LIMIT: 'The form has too many fields',
  FST_FILES_LIMIT: 'The form has more than one file'
}

/** What a parser has found, in words that repeat nothing of the form. */
function faultOf(error: unknown): TankError {
  if (error instanceof TankError) return error
  const code = (error as { code?: unknown } | null)?.code
  const known = typeof code === 'string' ? FAULTS[code] : undefined
  return refused(known ?? 'The form is no complete multipart/form-data', error)
}

async function nextPart(parts: Parts): Promise<Multipart | undefined> {
  try {
    const { done, value } = await parts.next()
    return done === true ? undefined : value
  } catch (error) {
    throw faultOf(error)
  }
}

function readField(fields: Map<string, string>, part: Multipart & { type: 'field' }): void {
  const { fieldname: name, value } = part
  if (part.fieldnameTruncated || !FIELDS.has(name)) {
    throw refused(`The form has a field that is not known; it may have ${[...FIELDS].join(', ')}`)
  }
  if (fields.has(name)) throw refused(`The field '${name}' stands twice in the form`)
  if (part.valueTruncated) {
    throw refused(`The field '${name}' has more than ${FORM_LIMITS.fieldSize} bytes`)
  }
  if (typeof value !== 'string') throw refused(`The field '${name}' must be text`)
  fields.set(name, value)
}

/** Browsers send a file without bytes when none was chosen. */
async function demandBytes(file: Readable): Promise<void> {
  if (file.readableLength > 0) return
  await Promise.race([once(file, 'readable'), once(file, 'close')]).catch((error: unknown) => {
    throw faultOf(error)
  })
  const chunk: Buffer | null = file.read()
  if (chunk === null) throw refused('The form has no file, or an empty one')
  file.unshift(chunk)
}

function after({ type, fieldname }: Multipart): TankError {
  if (type === 'file') return refused('The form has more than one file')
  const name = FIELDS.has(fieldname) ? `the field '${fieldname}'` : 'a field'
  return refused(`The file has to come last, but ${name} comes after it`)
}

/** The end of the whole form; what follows the file is an error. */
async function formEnd(parts: Parts): Promise<void> {
  const part = await nextPart(parts)
  if (part !== undefined) throw after(part)
}

/** Passes a file on, and holds its end back until nothing has come after it. */
function untilEnd(file: Readable, end: () => Promise<void>): Pick<UploadForm, 'file' | 'fault'> {
  let fault: TankError | undefined
  const gate = new Transform({
    transform: (chunk, _encoding, done) => done(null, chunk),
    flush(done) {
      end().then(() => done(), done)
    }
  })
  pipeline(file, gate, (error) => {
    if (error) fault = faultOf(error)
  })
  return { file: gate, fault: () => fault }
}

/**
 * Reads a form up to its file. Nothing is kept but its few fields, and nothing lies on a disk.
 *
 * @throws {TankError} INVALID_REQUEST, when there is no file, or something that does not belong there
 */
export async function openForm(request: FastifyRequest): Promise<UploadForm> {
  const parts = request.parts()
  const fields = new Map<string, string>()
  for (;;) {
    const part = await nextPart(parts)
    if (part === undefined) throw refused('The form has no file')
    if (part.type === 'field') {
      readField(fields, part)
      continue
    }
    if (part.fieldname !== 'file') throw refused("The file has to be in the field 'file'")
    await demandBytes(part.file)
    const filled = [...fields].filter(([, value]) => value.trim() !== '')
    return { fields: new Map(filled), ...untilEnd(part.file, () => formEnd(parts)) }
  }
}

/** Lets go of a form: what still comes of it is dropped, and takes no memory. */
export function dropForm({ raw }: FastifyRequest): void {
  raw.unpipe()
  raw.resume()
}
