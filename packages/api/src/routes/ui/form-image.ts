import { BASE_ATTRIBUTES, TankError } from '@tank/model'

const WHOLE = /^\d{1,15}$/

/** A number where it is one; anything else is refused with all other values. */
const number = (text: string): unknown => (WHOLE.test(text.trim()) ? Number(text) : text)

function tags(text: string): string[] {
  return text
    .split(/[,\r\n]/)
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}

/** Lines `name=value`. */
function properties(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (line.trim() === '') continue
    const at = line.indexOf('=')
    const name = line.slice(0, Math.max(at, 0)).trim()
    if (name === '') {
      throw new TankError('INVALID_REQUEST', 'Each line of the properties has to be NAME=VALUE')
    }
    if (BASE_ATTRIBUTES.has(name)) {
      throw new TankError('INVALID_REQUEST', 'An attribute of images is no property')
    }
    if (found.has(name)) {
      throw new TankError('INVALID_REQUEST', 'A property stands twice in the form')
    }
    found.set(name, line.slice(at + 1).trim())
  }
  return found
}

const READ: Readonly<Record<string, (text: string) => unknown>> = {
  name: (text) => text,
  disk_format: (text) => text.trim(),
  container_format: (text) => text.trim(),
  visibility: (text) => text.trim(),
  min_disk: number,
  min_ram: number,
  tags
}

/**
 * What a form says of its image, as the body of "create image". A property takes no name of an
 * attribute: what the form has no field for is not set through it.
 *
 * @throws {TankError} INVALID_REQUEST
 */
export function imageOfForm(
  fields: ReadonlyMap<string, string>
): Readonly<Record<string, unknown>> {
  const image: Record<string, unknown> = Object.create(null)
  for (const [name, value] of properties(fields.get('properties') ?? '')) image[name] = value
  for (const [name, value] of fields) {
    const read = Object.hasOwn(READ, name) ? READ[name] : undefined
    if (read === undefined) continue
    image[name] = read(value)
  }
  for (const name of ['disk_format', 'container_format']) {
    if (image[name] === undefined) {
      throw new TankError('INVALID_REQUEST', `Say what the file is: fill in '${name}'`)
    }
  }
  return image
}
