import type { FinishedPart } from './multipart.ts'
import type { Payload } from './requests.ts'

/** The parts of one upload on their way, each in a block of memory that is used again after it. */
export class Parts {
  /** Told of the first failure. */
  onFailure: (error: unknown) => void = () => {}
  readonly finished: FinishedPart[] = []
  readonly #sendPart: (number: number, payload: Payload) => Promise<FinishedPart>
  readonly #running = new Set<Promise<void>>()
  #free: Buffer[] = []
  #count = 0
  #bytes = 0
  #failed = false
  #failure: unknown

  constructor(sendPart: (number: number, payload: Payload) => Promise<FinishedPart>) {
    this.#sendPart = sendPart
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A block to fill, once fewer than `limit` parts are on their way. */
  async room(size: number, limit: number): Promise<Buffer> {
    while (this.#running.size >= limit && !this.#failed) await Promise.race(this.#running)
    this.#assertWell()
    this.#free = this.#free.filter((block) => block.length === size)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(size)
  }

  /** Puts a part on its way, whose bytes lie in `block`. */
  async send(payload: Payload, block: Buffer): Promise<void> {
    this.#assertWell()
    this.#count += 1
    this.#bytes += payload.bytes.byteLength
    const part = this.#sendPart(this.#count, payload)
      .then(
        (finished) => {
          this.finished.push(finished)
          this.#free.push(block)
        },
        (error: unknown) => this.#fail(error)
      )
      .finally(() => this.#running.delete(part))
    this.#running.add(part)
  }

  /** Waits until nothing is on its way. Rejects with the first failure. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
    this.#assertWell()
  }

  #assertWell(): void {
    if (this.#failed) throw this.#failure
  }

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#failure = error
    this.onFailure(error)
  }
}
