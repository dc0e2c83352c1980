import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { type CommandCall, CommandError, EXIT, UsageError } from '../command-line.ts'
import { HEAD_BYTES, readEnds } from './guess-format.ts'

/** Bytes that are to be sent. */
export interface Source {
  /** A path, a stream, or all of its bytes where there are few. */
  readonly from: string | Readable | Buffer
  /** bytes; undefined: until they end */
  readonly size: number | undefined
  /** The first bytes, as many as a guess of the format looks at. */
  readonly head: Buffer
  /** The last bytes, where they can be had. */
  readonly tail: Buffer
}

/** Waits for the first bytes of a stream and puts them back, unless there are no more. */
async function peek(stream: Readable, signal: AbortSignal): Promise<Source> {
  const chunks: Buffer[] = []
  let length = 0
  let isOver = false
  while (length < HEAD_BYTES && !isOver) {
    const chunk: Buffer | null = stream.read()
    if (chunk === null) isOver = stream.readableEnded || !(await more(stream, signal))
    else {
      chunks.push(chunk)
      length += chunk.length
    }
  }
  if (stream.errored) throw stream.errored
  const all = Buffer.concat(chunks)
  const rest = { head: all.subarray(0, HEAD_BYTES), tail: Buffer.alloc(0) }
  if (isOver) return { from: all, size: all.length, ...rest }
  stream.unshift(all)
  return { from: stream, size: undefined, ...rest }
}

/** Whether more bytes came before the end. */
function more(stream: Readable, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      stream.off('readable', onMore).off('end', onEnd).off('error', onEnd)
      signal.removeEventListener('abort', onAbort)
      act()
    }
    const onMore = settle(() => resolve(true))
    const onEnd = settle(() => resolve(false))
    const onAbort = settle(() => reject(signal.reason))
    stream.once('readable', onMore).once('end', onEnd).once('error', onEnd)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

async function openFile(path: string): Promise<Source> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? `there is no file ${path}.` : cause.message
    throw new CommandError(EXIT.failed, why)
  })
  if (found.isDirectory()) throw new UsageError(`${path} is a folder, not the file of an image.`)
  if (found.isFile()) return { from: path, size: found.size, ...(await readEnds(path)) }
  // a pipe or a device has no size that counts
  const none = Buffer.alloc(0)
  return { from: createReadStream(path), size: undefined, head: none, tail: none }
}

/** Opens a file, or standard input for `-`. */
export async function openSource(
  path: string,
  { streams }: CommandCall,
  signal: AbortSignal
): Promise<Source> {
  if (path !== '-') return await openFile(path)
  const { stdin } = streams
  if (stdin.isTTY === true) {
    throw new UsageError(
      '- reads standard input, which is a terminal. Send an image into it: … | tank'
    )
  }
  return await peek(stdin, signal)
}
