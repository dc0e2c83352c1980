import type { Readable, Writable } from 'node:stream'
import { type CallOptions, type ImageSource, StoreError } from '@tank/store'
import { FileBody } from './file-body.ts'
import { pumpFile } from './pump-file.ts'
import type { Section } from './section.ts'

/** The two ways out of an open file, of which the caller takes one. */
export class FileSource implements ImageSource {
  readonly size: number
  readonly #section: Section
  #body: Readable | undefined
  #pumped = false

  constructor(size: number, section: Section) {
    this.size = size
    this.#section = section
  }

  get body(): Readable {
    if (this.#pumped) throw new StoreError('FAILED', 'the image is being pumped')
    this.#body ??= new FileBody(this.#section)
    return this.#body
  }

  async pump(to: Writable, options: CallOptions = {}): Promise<void> {
    if (this.#pumped || this.#body !== undefined) {
      throw new StoreError('FAILED', 'the image is being read already')
    }
    this.#pumped = true
    await pumpFile(this.#section, to, options.signal)
  }
}
