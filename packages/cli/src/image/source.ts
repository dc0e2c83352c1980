import { open, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { TankClientError } from '@tank/client/tank-client'
import { inspectFile, type Report } from '@tank/inspect'
import { type CommandCall, CommandError, EXIT, UsageError } from '../command-line.ts'
import { unlessAborted } from '../remote/session.ts'
import { HEAD_BYTES, inspectHead } from './found-format.ts'

/** Bytes that are to be sent. */
export interface Source {
  /** A path, a stream, or all of its bytes where there are few. */
  readonly from: string | Readable | Buffer
  /** bytes; undefined: until they end */
  readonly size: number | undefined
  /** What the bytes are, as far as that can be told before they are sent; undefined: not at all. */
  look(): Promise<Report | undefined>
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
  const look = async () => inspectHead(all, isOver)
  if (isOver) return { from: all, size: all.length, look }
  stream.unshift(all)
  return { from: stream, size: undefined, look }
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

async function openFile(path: string, signal: AbortSignal): Promise<Source> {
  const fail = (cause: NodeJS.ErrnoException): never => {
    if (cause.code === 'ENOENT') throw new CommandError(EXIT.failed, `there is no file ${path}.`)
    throw new TankClientError('SOURCE_FAILED', `cannot read ${path}`, { cause })
  }
  const found = await stat(path).catch(fail)
  if (found.isDirectory()) throw new UsageError(`${path} is a folder, not the file of an image.`)
  // before anything is made for it; of a pipe this waits for whoever writes
  const file = await unlessAborted(open(path), signal).catch(fail)
  if (found.isFile()) {
    await file.close()
    return { from: path, size: found.size, look: () => inspectFile(path) }
  }
  // a pipe or a device has no size that counts
  return { from: file.createReadStream(), size: undefined, look: async () => undefined }
}

/** Opens a file, or standard input for `-`. */
export async function openSource(
  path: string,
  { streams }: CommandCall,
  signal: AbortSignal
): Promise<Source> {
  if (path !== '-') return await openFile(path, signal)
  const { stdin } = streams
  if (stdin.isTTY === true) {
    throw new UsageError(
      '- reads standard input, which is a terminal. Send an image into it: … | tank'
    )
  }
  return await peek(stdin, signal)
}
