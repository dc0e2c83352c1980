import type { InspectorOptions, Report } from '@tank/inspect'
import { inspectRanges } from '@tank/inspect'
import { openHttpStore } from '@tank/store-http'
import { CommandError, EXIT } from '../command-line.ts'

/** Most bytes that are read of an image that lies elsewhere. */
const MOST_BYTES = 64 * 2 ** 20

/** The words of whatever lies deepest: the store's own are about Tank's keys. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown }
  if (cause instanceof Error) return reasonOf(cause)
  return error instanceof Error ? error.message : String(error)
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/**
 * Inspects what lies at a URL by the few ranges that matter. The host that is named may be one of the
 * own network; redirects lead to public ones only.
 */
export async function inspectUrl(
  text: string,
  options: InspectorOptions,
  signal: AbortSignal
): Promise<Report> {
  const { href, hostname, port } = new URL(text)
  const store = await openHttpStore({
    allowHttp: true,
    allow: [hostname.replace(/^\[(.*)\]$/, '$1')],
    ports: port === '' ? [] : [Number(port)]
  })
  let left = MOST_BYTES
  try {
    const { size } = await store.stat(href, { signal })
    if (size === undefined) throw new Error('the server does not say how large it is')
    const read = async (range: { readonly offset: number; readonly length: number }) => {
      left -= range.length
      if (left < 0) throw new Error('more would have to be read than 64 MiB')
      if (range.length === 0) return new Uint8Array(0)
      return await collect((await store.get(href, { range, signal })).body)
    }
    return await inspectRanges(size, read, options)
  } catch (error) {
    if (signal.aborted) throw error
    throw new CommandError(
      EXIT.failed,
      `${text} cannot be inspected: ${reasonOf(error)}. Fetch it, and inspect the file.`
    )
  } finally {
    await store.close()
  }
}
