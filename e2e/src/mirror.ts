import { createServer } from 'node:http'
import type { Test } from 'tap'
import { freePort } from './tank.ts'

/** A web server with one image that can be had by range. */
export async function openMirror(t: Test, bytes: Buffer): Promise<string> {
  const server = createServer((request, response) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    const [from, to] = range ? [Number(range[1]), Number(range[2])] : [0, bytes.length - 1]
    response.writeHead(range ? 206 : 200, {
      'content-length': to - from + 1,
      ...(range ? { 'content-range': `bytes ${from}-${to}/${bytes.length}` } : {})
    })
    response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from, to + 1))
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  return `http://127.0.0.1:${port}/disk.raw`
}
