import type { Notebook } from './notebook.ts'
import type { Answer, Request, Steps } from './steps.ts'

/** One reader of a format on its way through an image. */
export class Task {
  readonly notebook: Notebook
  readonly #steps: Steps<void>
  /** What it waits for; undefined once it has ended. */
  request: Request | undefined
  /** The bytes of the range it waits for, as far as they came. */
  capture: { readonly bytes: Uint8Array; filled: number } | undefined

  constructor(notebook: Notebook) {
    this.notebook = notebook
    this.#steps = steps(notebook)
    this.next(undefined, 0)
  }

  /** Takes the answer; `position` is where the image stands. */
  next(answer: Answer, position: number): void {
    const { request } = this
    this.capture = undefined
    const isShort =
      request?.kind === 'range' &&
      request.isRequired &&
      answer instanceof Uint8Array &&
      answer.length < request.length
    if (isShort) {
      this.notebook.report('TRUNCATED', position)
      this.#end()
      return
    }
    try {
      const step = this.#steps.next(answer)
      if (step.done === true) this.#end()
      else this.request = step.value
    } catch {
      this.notebook.report('INSPECTOR_FAILED', position)
      this.#end()
    }
  }

  /** Opens a buffer for the range it waits for, when its first byte is still to come. */
  openCapture(position: number, head: (from: number) => Uint8Array | undefined): void {
    const { request } = this
    if (request?.kind !== 'range' || this.capture !== undefined) return
    const before = request.offset < position ? head(request.offset) : new Uint8Array(0)
    if (before === undefined) return
    const bytes = new Uint8Array(request.length)
    bytes.set(before)
    this.capture = { bytes, filled: before.length }
  }

  /** Bytes of the image from `offset` on that the buffer or the part may want. */
  feed(chunk: Uint8Array, offset: number): void {
    const { request, capture } = this
    if (request === undefined || request.kind === 'size') return
    const from = Math.max(0, request.offset - offset)
    const to = Math.min(chunk.length, request.offset + request.length - offset)
    if (from >= to) return
    if (request.kind === 'part') request.part.push(chunk.subarray(from, to))
    else if (capture !== undefined) {
      capture.bytes.set(chunk.subarray(from, to), offset + from - request.offset)
      capture.filled = offset + to - request.offset
    }
  }

  #end(): void {
    this.request = undefined
    this.notebook.isOver = true
  }
}

function* steps(notebook: Notebook): Steps<void> {
  const { format } = notebook
  notebook.isMatch = yield* format.detect()
  if (notebook.isMatch && format.examine !== undefined) yield* format.examine(notebook)
}
