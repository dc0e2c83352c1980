import { bytesOf, isEqual } from './fields.ts'

/** Bytes of an image, by where they lie. */
export interface Range {
  readonly offset: number
  readonly length: number
}

/** A part of the image that is judged like an image of its own. */
export interface Part {
  push(chunk: Uint8Array): void
  end(size: number): void
  readonly isUnsafe: boolean
  readonly needs: readonly Range[]
  provide(offset: number, bytes: Uint8Array): void
}

/** What a reader of a format waits for. */
export type Request =
  | (Range & { readonly kind: 'range'; readonly isRequired: boolean })
  | { readonly kind: 'size' }
  | (Range & { readonly kind: 'part'; readonly part: Part })

export type Answer = Uint8Array | number | undefined

/**
 * A reader of a format, written as if the whole image were at hand: it asks for a range and goes on
 * once the bytes have come. Ranges should go upwards: what has passed is kept for the head and the
 * tail alone.
 */
export type Steps<T> = Generator<Request, T, Answer>

const NONE = new Uint8Array(0)

function* ask(request: Request): Steps<Uint8Array> {
  const answer = yield request
  return answer instanceof Uint8Array ? answer : NONE
}

/** The bytes of a range; fewer where the image ends before. */
export function read(offset: number, length: number): Steps<Uint8Array> {
  return ask({ kind: 'range', offset, length, isRequired: false })
}

/** The bytes of a range; the image counts as truncated, and the reader ends, where they are missing. */
export function need(offset: number, length: number): Steps<Uint8Array> {
  return ask({ kind: 'range', offset, length, isRequired: true })
}

/** The size of the image in bytes, known when all of it has been seen. */
export function* wholeSize(): Steps<number> {
  const answer = yield { kind: 'size' }
  return typeof answer === 'number' ? answer : 0
}

/** The last bytes of the image. */
export function* readEnd(length: number): Steps<Uint8Array> {
  const size = yield* wholeSize()
  return yield* read(Math.max(0, size - length), Math.min(length, size))
}

/** Hands a range on to a judge of its own, and returns when that has seen it. */
export function* judge(range: Range, part: Part): Steps<void> {
  yield { kind: 'part', ...range, part }
}

/** Whether the text (one byte a character) stands at the offset. */
export function* hasMagic(offset: number, magic: string): Steps<boolean> {
  return isEqual(yield* read(offset, magic.length), bytesOf(magic))
}
