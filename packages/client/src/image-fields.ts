import type {
  ContainerFormat,
  ImageDocument,
  ImageFields,
  Visibility,
  WrittenDiskFormat
} from '@tank/model'
import { TankClientError } from './errors.ts'
import { isRecord, readObject } from './image-http.ts'
import type { Answer } from './transport.ts'

/** What a new image is to have. */
export interface NewImage extends ImageFields {
  /** A UUID; the client makes one otherwise. */
  readonly id?: string
}

/** What is to change; `null` for a property removes it, properties that are not named stay. */
export interface ImageChanges {
  readonly name?: string | null
  readonly visibility?: Visibility
  readonly protected?: boolean
  /** Left out of lists that do not ask for it. */
  readonly os_hidden?: boolean
  readonly owner?: string | null
  readonly container_format?: ContainerFormat | null
  readonly disk_format?: WrittenDiskFormat | null
  /** GiB */
  readonly min_disk?: number
  /** MiB */
  readonly min_ram?: number
  readonly tags?: readonly string[]
  readonly properties?: Readonly<Record<string, string | null>>
}

/** One step of a JSON patch in the dialect of the Image API v2.1. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

/** The body of a create: custom properties are top-level keys. */
export function toCreateBody(image: NewImage, id: string): Record<string, unknown> {
  const { properties, ...fields } = image
  const entries = [...Object.entries(properties ?? {}), ...Object.entries(fields)]
  return Object.fromEntries([...entries.filter(([, value]) => value !== undefined), ['id', id]])
}

export function toPatch(changes: ImageChanges): PatchOperation[] {
  const { properties, ...fields } = changes
  const patch: PatchOperation[] = []
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) patch.push({ op: 'replace', path: pointer(name), value })
  }
  for (const [name, value] of Object.entries(properties ?? {})) {
    const path = pointer(name)
    patch.push(value === null ? { op: 'remove', path } : { op: 'add', path, value })
  }
  return patch
}

function pointer(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** An image as the server sent it; without id and status it is none. */
export function readImage(answer: Answer): ImageDocument {
  return toImage(readObject(answer))
}

export function toImage(value: unknown): ImageDocument {
  if (!isImage(value)) throw new TankClientError('BAD_ANSWER', 'the server sent no image')
  return value
}

/** A UUID mostly; whatever it is, it has to be safe in a path, in a file's name and on a terminal. */
const TOKEN = /^\w[\w.-]{0,254}$/
/** Other services know other formats and digests than Tank does, but by names of this kind. */
const WORD = /^[\w.+-]{0,255}$/
const WORDS = ['disk_format', 'container_format', 'checksum', 'os_hash_algo', 'os_hash_value']

function isImage(value: unknown): value is ImageDocument {
  if (!isRecord(value)) return false
  const { id, status } = value
  if (typeof id !== 'string' || !TOKEN.test(id)) return false
  if (typeof status !== 'string' || !WORD.test(status)) return false
  return WORDS.every((name) => isWord(value[name]))
}

function isWord(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'string' && WORD.test(value))
}
