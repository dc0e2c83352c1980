import type { FileHandle } from 'node:fs/promises'

/** `failed`: the rest may be had elsewhere. `wrong`: what came is not the image. */
export type FlightEnd = 'complete' | 'failed' | 'wrong'

/** A cached file as its readers see it: whole, or growing. */
export interface ReadableFile {
  readonly handle: FileHandle
  /** Bytes from the beginning that may be sent now. */
  readonly readable: number
  /** Undefined while more may come. */
  readonly end: FlightEnd | undefined
  /** Settles when one of them changed. */
  changed(): Promise<void>
  /** To be called once by every reader. */
  release(): Promise<void>
}

/**
 * An image on its way into the cache, as this process sees it: many readers, one open file. The last
 * byte is held back until the digest was compared, so that nobody takes wrong bytes for the image.
 */
export class Flight implements ReadableFile {
  readonly handle: FileHandle
  readonly size: number
  /** Settles when it is over: complete means under its name. */
  readonly over: Promise<FlightEnd>
  #settleOver: (end: FlightEnd) => void = () => {}
  #written = 0
  #isVerified = false
  #end: FlightEnd | undefined
  #users = 1
  #change: Promise<void>
  #notify: () => void = () => {}

  /** Whoever makes it is its first user. */
  constructor(handle: FileHandle, size: number) {
    this.handle = handle
    this.size = size
    this.over = new Promise((resolve) => {
      this.#settleOver = resolve
    })
    this.#change = this.#nextChange()
  }

  get readable(): number {
    return this.#isVerified ? this.size : Math.min(this.#written, Math.max(0, this.size - 1))
  }

  get end(): FlightEnd | undefined {
    return this.#end
  }

  get users(): number {
    return this.#users
  }

  changed(): Promise<void> {
    return this.#change
  }

  advance(written: number): void {
    if (written <= this.#written) return
    this.#written = written
    this.#tell()
  }

  /** The digest is right: all of it may be sent. */
  verify(): void {
    this.#isVerified = true
    this.#tell()
  }

  settle(end: FlightEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    if (end === 'complete') this.#isVerified = true
    this.#settleOver(end)
    this.#tell()
  }

  use(): this {
    this.#users++
    return this
  }

  async release(): Promise<void> {
    if (--this.#users === 0) await this.handle.close()
  }

  #tell(): void {
    const notify = this.#notify
    this.#change = this.#nextChange()
    notify()
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#notify = resolve
    })
  }
}

/** A file that is complete. */
export function completeFile(handle: FileHandle, size: number): ReadableFile {
  return {
    handle,
    readable: size,
    end: 'complete',
    changed: () => Promise.resolve(),
    release: () => handle.close()
  }
}
