import type { Budget, OpenPart } from './format.ts'
import { CONTENTS, KNOWN_FORMATS } from './formats/index.ts'
import { judgementOf } from './judgement.ts'
import { Notebook, type Severities } from './notebook.ts'
import type { FormatName, Report } from './report.ts'
import type { Answer, Part, Range } from './steps.ts'
import { Task } from './task.ts'
import { HEAD_SIZE, Window } from './window.ts'

export interface InspectorOptions {
  /** The largest disk that is accepted, in bytes (64 TiB). */
  readonly maxVirtualSize?: number | undefined
  /** Anything else is a FORMAT_MISMATCH. */
  readonly expected?: FormatName | undefined
  /** What findings weigh, where it is not the usual. */
  readonly severities?: Severities | undefined
}

/**
 * Judges one image while its bytes pass. Nothing here throws, whatever the bytes are, and what
 * is kept of them is bounded. The result does not depend on how the bytes are cut into chunks.
 */
export interface Inspector extends Part {
  /** The next bytes. Nothing of the chunk is kept, and most chunks are not even looked at. */
  push(chunk: Uint8Array): void
  /**
   * No more will be pushed. A larger `size` than was pushed says that the rest was not seen: what is
   * needed of it stands in `needs`.
   */
  end(size?: number): void
  /** After the end: what still has to be read, because it had passed before anybody knew. */
  readonly needs: readonly Range[]
  /** Bytes that `needs` named, from its offset on. */
  provide(offset: number, bytes: Uint8Array): void
  /** Whether the bytes so far prove that the image is unsafe. Later ones change nothing about that. */
  readonly isUnsafe: boolean
  report(): Report
}

/** An image of its own, or one that lies in another: a member of an archive, or what is packed. */
type Place = 'own' | 'member' | 'inner'

const MAX_VIRTUAL_SIZE = 64 * 2 ** 40
/** Of bytes that are unpacked, of an image and all that lies in it: two disks with far metadata. */
const MOST_UNPACKED = 8 * 2 ** 20
const WAIT = Symbol('wait')

class Inspection implements Inspector, OpenPart {
  readonly #window = new Window()
  readonly #options: InspectorOptions
  readonly #notebooks: readonly Notebook[]
  #tasks: Task[]
  #size: number | undefined
  /** Where a reader goes on next; every byte before it can pass without a look. */
  #stop = 0
  #isFeeding = false
  #isUnsafe = false

  constructor(options: InspectorOptions, place: Place, budget: Budget) {
    this.#options = options
    const { maxVirtualSize = MAX_VIRTUAL_SIZE, severities = {} } = options
    const open = (part: 'member' | 'inner'): Inspection | undefined =>
      place === 'inner' ? undefined : new Inspection({ maxVirtualSize, severities }, part, budget)
    // an archive in an archive is a file like any other
    const formats = KNOWN_FORMATS.filter(({ isArchive }) => place !== 'member' || !isArchive)
    this.#notebooks = [...formats, ...CONTENTS].map(
      (format) => new Notebook(format, { maxVirtualSize, severities, budget, open })
    )
    this.#tasks = this.#notebooks.map((notebook) => new Task(notebook))
    this.#run()
  }

  get isUnsafe(): boolean {
    return this.#isUnsafe
  }

  get wantsMore(): boolean {
    return this.#size === undefined && this.#stop !== Infinity
  }

  get needs(): readonly Range[] {
    const needs = new Map<number, Range>()
    if (this.#size === undefined) return []
    for (const { request } of this.#tasks) {
      if (request === undefined || request.kind === 'size') continue
      const found =
        request.kind === 'part'
          ? request.part.needs.map((need) => ({ ...need, offset: need.offset + request.offset }))
          : [this.#window.missing(request.offset, this.#clip(request))]
      for (const need of found) {
        if (need.length > (needs.get(need.offset)?.length ?? 0)) needs.set(need.offset, need)
      }
    }
    return [...needs.values()]
  }

  push(chunk: Uint8Array): void {
    if (this.#size !== undefined) return
    let from = 0
    while (from < chunk.length) {
      const length = Math.min(chunk.length - from, this.#stop - this.#window.position)
      const bytes = length === chunk.length ? chunk : chunk.subarray(from, from + length)
      if (this.#isFeeding) for (const task of this.#tasks) task.feed(bytes, this.#window.position)
      this.#window.push(bytes)
      from += length
      if (this.#window.position === this.#stop) this.#run()
      else if (this.#isFeeding) this.#isUnsafe ||= this.#hasUnsafePart()
    }
  }

  end(size = this.#window.position): void {
    if (this.#size !== undefined) return
    this.#size = Math.max(size, this.#window.position)
    this.#window.end(this.#size)
    this.#run()
  }

  provide(offset: number, bytes: Uint8Array): void {
    if (this.#size === undefined) return
    this.#window.provide(offset, bytes)
    for (const task of this.#tasks) {
      const { request } = task
      if (request === undefined || request.kind === 'size') continue
      if (request.kind === 'part') request.part.provide(offset - request.offset, bytes)
      else {
        const from = request.offset - offset
        const length = this.#clip(request)
        if (from >= 0 && from + length <= bytes.length)
          task.capture = { bytes: bytes.slice(from, from + length), filled: length }
      }
    }
    this.#run()
  }

  report(): Report {
    return judgementOf({
      notebooks: this.#notebooks,
      expected: this.#options.expected,
      severities: this.#options.severities ?? {},
      size: this.#size ?? this.#window.position,
      isComplete: this.#size !== undefined && this.#tasks.length === 0
    })
  }

  /** The length of a range up to the end of the image, once that is known. */
  #clip({ offset, length }: Range): number {
    return Math.max(0, Math.min(length, (this.#size ?? Infinity) - offset))
  }

  #answer({ request, capture }: Task): Answer | typeof WAIT {
    if (request === undefined) return WAIT
    if (request.kind === 'size') return this.#size ?? WAIT
    if (this.#size === undefined && this.#window.position < request.offset + request.length)
      return WAIT
    const length = this.#clip(request)
    if (request.kind === 'part') {
      request.part.end(length)
      return request.part.needs.length === 0 ? undefined : WAIT
    }
    const kept = this.#window.peek(request.offset, length)
    if (kept !== undefined) return kept
    return capture !== undefined && capture.filled >= length
      ? capture.bytes.subarray(0, length)
      : WAIT
  }

  /** Lets every reader go on as far as it can, and finds out where the next one can. */
  #run(): void {
    const position = this.#size ?? this.#window.position
    for (const task of this.#tasks) {
      for (;;) {
        const answer = this.#answer(task)
        if (answer === WAIT) break
        task.next(answer, position)
      }
    }
    this.#tasks = this.#tasks.filter(({ request }) => request !== undefined)
    if (this.#size === undefined) this.#look(position)
    this.#isUnsafe ||= this.report().verdict === 'unsafe'
  }

  #look(position: number): void {
    this.#stop = Infinity
    this.#isFeeding = false
    for (const task of this.#tasks) {
      const { request } = task
      if (request === undefined || request.kind === 'size') continue
      const end = request.offset + request.length
      if (end <= position) continue
      this.#stop = Math.min(this.#stop, end)
      if (request.kind === 'part') this.#isFeeding = true
      else if (end > HEAD_SIZE) {
        task.openCapture(position, (from) => this.#window.peek(from, position - from))
        this.#isFeeding = true
      }
    }
  }

  #hasUnsafePart(): boolean {
    return this.#tasks.some(({ request }) => request?.kind === 'part' && request.part.isUnsafe)
  }
}

/** Begins to inspect an image. */
export function createInspector(options: InspectorOptions = {}): Inspector {
  return new Inspection(options, 'own', { left: MOST_UNPACKED })
}
