import type { Readable } from 'node:stream'
import type { CommandCall } from '../command-line.ts'
import type { Source } from '../image/source.ts'
import { openSource } from '../image/source.ts'
import { createProgress } from '../output/progress.ts'
import type { ClassicSession } from './session.ts'

/** Bytes on their way, counted. */
export type Bytes = AsyncIterable<Uint8Array>

/** What standard input has; undefined at a terminal, and when it has nothing. */
export async function givenBytes({ call, signal }: ClassicSession): Promise<Source | undefined> {
  if (call.streams.stdin.isTTY === true) return undefined
  const source = await openSource('-', call, signal)
  return source.size === 0 ? undefined : source
}

async function* counted(
  chunks: Readable | readonly Buffer[],
  onBytes: (bytes: number) => void
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    onBytes(bytes)
    yield chunk
  }
}

/** Runs an upload under a progress bar. */
export async function sendingBytes<T>(
  call: CommandCall,
  title: string,
  { from, size }: { readonly from: Readable | Buffer; readonly size: number | undefined },
  send: (bytes: Bytes) => Promise<T>
): Promise<T> {
  // lines of progress would be new to scripts; people at a terminal get the bar
  const quiet = call.values['silent-upload'] === true || call.streams.stderr.isTTY !== true
  const progress = createProgress({ stream: call.streams.stderr, title, quiet })
  const chunks = Buffer.isBuffer(from) ? [from] : from
  try {
    return await send(counted(chunks, (bytes) => progress.update({ bytes, total: size })))
  } finally {
    progress.clear()
  }
}
