import { Readable } from 'node:stream'

/** Parts of a form, in the order in which they are sent. */
export type FormPart =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly file: Buffer | string; readonly filename?: string }

const BOUNDARY = 'b0undary'
export const FORM_TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }

export const field = (name: string, value: string): FormPart => ({ name, value })
export const file = (bytes: Buffer | string, name = 'file'): FormPart => ({ name, file: bytes })

/** What the form needs beside its file. */
export const FORMATS: readonly FormPart[] = [
  field('disk_format', 'raw'),
  field('container_format', 'bare')
]

function head(part: FormPart): string {
  const disposition = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${part.name}"`
  if ('value' in part) return `${disposition}\r\n\r\n`
  const { filename = 'disk.img' } = part
  return `${disposition}; filename="${filename}"\r\nContent-Type: application/octet-stream\r\n\r\n`
}

/** A form whose file comes from a stream, and its length when the file has `size` bytes. */
export function formStream(
  fields: readonly FormPart[],
  bytes: Readable,
  size: number
): { readonly body: Readable; readonly length: number } {
  const before = Buffer.concat([
    ...fields.flatMap(partBytes),
    Buffer.from(head({ name: 'file', file: '' }))
  ])
  const after = Buffer.from(`\r\n--${BOUNDARY}--\r\n`)
  async function* parts() {
    yield before
    yield* bytes
    yield after
  }
  return {
    body: Readable.from(parts(), { objectMode: false }),
    length: before.length + size + after.length
  }
}

function partBytes(part: FormPart): Buffer[] {
  const value = Buffer.from('value' in part ? part.value : part.file)
  return [Buffer.from(head(part)), value, Buffer.from('\r\n')]
}

/** The body of `multipart/form-data`. */
export function formBody(parts: readonly FormPart[]): Buffer {
  return Buffer.concat([...parts.flatMap(partBytes), Buffer.from(`--${BOUNDARY}--\r\n`)])
}
