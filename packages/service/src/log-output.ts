import { write, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'

const METADATA = Symbol.for('pino.metadata')
const WARN = 40
/** characters; so many are worth a system call */
const ENOUGH = 8192
const GATHER_MS = 200
/** characters; what comes while so many wait to be written is lost */
const MOST = 2 ** 20
/** How long the end of a process waits for a reader who takes nothing. */
const WAIT_MS = 50
const MOST_WAITS = 40
const NOTHING = Buffer.alloc(0)

/**
 * Where servers write their log: lines of requests are gathered for a moment, since a system call
 * for each of them costs more than the request itself; warnings and errors go out at once. What is
 * gathered is written when the process ends by itself. A log that cannot be written, because its disk
 * is full or its reader is gone, stops nothing: its lines are lost.
 */
class LogOutput implements DestinationStream {
  // makes pino tell the level of each line
  readonly [METADATA] = true
  lastLevel = 0
  readonly #fd: number
  #gathered = ''
  /** What is being written, or has to wait for the reader of a pipe. */
  #chunk: Buffer = NOTHING
  #isWriting = false

  constructor(fd: number) {
    this.#fd = fd
    setInterval(() => this.#flush(), GATHER_MS).unref()
    process.once('exit', () => this.#end())
  }

  write(line: string): void {
    if (this.#gathered.length < MOST) this.#gathered += line
    if (this.lastLevel >= WARN || this.#gathered.length >= ENOUGH) this.#flush()
  }

  #flush(): void {
    if (this.#isWriting) return
    if (this.#chunk.length === 0) {
      this.#chunk = Buffer.from(this.#gathered)
      this.#gathered = ''
    }
    if (this.#chunk.length === 0) return
    this.#isWriting = true
    write(this.#fd, this.#chunk, (error, count) => {
      this.#isWriting = false
      if (error?.code === 'EAGAIN') return
      this.#chunk = error ? NOTHING : this.#chunk.subarray(count)
      if (this.#chunk.length > 0) this.#flush()
    })
  }

  /** Writes what is left, other than what is being written already. */
  #end(): void {
    let rest = Buffer.concat([this.#isWriting ? NOTHING : this.#chunk, Buffer.from(this.#gathered)])
    for (let waits = 0; rest.length > 0 && waits < MOST_WAITS; ) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest))
        waits = 0
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
        waits += 1
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS)
      }
    }
  }
}

/** Opens a log on a file descriptor of the process. */
export function createOutput(fd: number): DestinationStream {
  return new LogOutput(fd)
}
