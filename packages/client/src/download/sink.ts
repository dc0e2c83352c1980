import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { TankClientError } from '../errors.ts'

/** The stream that takes the bytes, with its failure kept. */
export interface Sink {
  readonly error: TankClientError | undefined
  write(chunk: Buffer): boolean
  drained(then: () => void): void
  failed(then: (error: TankClientError) => void): void
  /** Resolves when all is written. */
  end(signal: AbortSignal): Promise<void>
  destroy(error: unknown): void
}

/** Takes a stream over; its failures are kept until somebody asks. */
export function openSink(to: Writable): Sink {
  let failure: TankClientError | undefined
  let onFailure: ((error: TankClientError) => void) | undefined
  const fail = (cause: unknown) => {
    failure ??= new TankClientError('TARGET_FAILED', 'the bytes could not be written', { cause })
    onFailure?.(failure)
  }
  to.on('error', fail)
  to.once('close', () => {
    if (!to.writableFinished) fail(undefined)
  })
  return {
    get error() {
      return failure
    },
    write: (chunk) => to.write(chunk),
    drained: (then) => to.once('drain', then),
    failed(then) {
      onFailure = then
      if (failure !== undefined) then(failure)
    },
    async end(signal) {
      // Standard output belongs to the process and cannot be ended.
      if (to === process.stdout || to === process.stderr) return
      to.end()
      // whoever gets the bytes of a duplex stream reads them when they like
      await finished(to, { signal, readable: false })
    },
    destroy(error) {
      if (to === process.stdout || to === process.stderr) return
      to.destroy(error instanceof Error ? error : undefined)
    }
  }
}
