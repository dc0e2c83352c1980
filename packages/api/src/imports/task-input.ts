import { TankError } from '@tank/model'

/** What a task of type `import` is asked for: an image that is made, and filled from a URL (TK2). */
export interface TaskInput {
  readonly uri: string
  /** The body of the creation of its image. */
  readonly image: Readonly<Record<string, unknown>>
  /** As it came, for the task. */
  readonly input: Readonly<Record<string, unknown>>
}

const TYPE = 'import'

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readText(input: Readonly<Record<string, unknown>>, name: string): string {
  const value = input[name]
  if (typeof value !== 'string' || value === '') invalid(`'${name}' of the input must be a string`)
  return value
}

/** Reads the body of a new task (TK3). Nothing is converted, so the data has the format it came in. */
export function readTaskInput(body: Readonly<Record<string, unknown>>): TaskInput {
  const { type, input } = body
  if (type !== TYPE) {
    invalid(`The type of a task must be '${TYPE}'; other imports begin at /v2/images/{id}/import`)
  }
  if (!isObject(input)) invalid("A task needs an 'input' object")
  const uri = readText(input, 'import_from')
  const format = readText(input, 'import_from_format')
  const { image_properties: properties } = input
  if (!isObject(properties)) invalid("'image_properties' of the input must be an object")
  const { disk_format = format } = properties
  if (disk_format !== format) {
    invalid("Data is not converted: leave disk_format out, or let it be 'import_from_format'")
  }
  const image = { container_format: 'bare', ...properties, disk_format }
  return { uri, image, input }
}
