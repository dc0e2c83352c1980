import { createHash } from 'node:crypto'
import http from 'node:http'
import { SECRETS } from './canaries.ts'
import { freePort } from './tank.ts'

export const MODES = [
  'well',
  'away',
  'denied',
  'unknown',
  'broken',
  'garbage',
  'redirect',
  'cut'
] as const
export type Mode = (typeof MODES)[number] | 'refused'
const STATUSES = { away: 503, denied: 403, unknown: 401, broken: 500, garbage: 200, redirect: 302 }

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** A backend that repeats whatever it is sent, in headers and bodies, when it does not do its work. */
export class EchoBackend {
  mode: Mode = 'away'
  port = 0
  asked = 0
  readonly #objects = new Map<string, { bytes: Buffer; headers: http.OutgoingHttpHeaders }>()
  readonly #server = http.createServer((asked, answer) => void this.#serve(asked, answer))

  async open(): Promise<void> {
    if (this.port === 0) this.port = await freePort()
    await new Promise<void>((resolve) => this.#server.listen(this.port, '127.0.0.1', resolve))
  }

  async close(): Promise<void> {
    const over = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await over
  }

  async become(mode: Mode): Promise<void> {
    if (mode === 'refused') await this.close()
    else if (this.mode === 'refused') await this.open()
    this.mode = mode
  }

  async #serve(asked: http.IncomingMessage, answer: http.ServerResponse): Promise<void> {
    this.asked += 1
    const chunks: Buffer[] = []
    for await (const chunk of asked) chunks.push(chunk)
    const { mode } = this
    if (mode === 'cut' || mode === 'refused') asked.socket.destroy()
    else if (mode === 'well') this.#work(asked, Buffer.concat(chunks), answer)
    else this.#echo(STATUSES[mode], asked, answer)
  }

  #echo(status: number, asked: http.IncomingMessage, answer: http.ServerResponse): void {
    const said = `${asked.method} ${asked.url} ${JSON.stringify(asked.headers)}`
    const text = escaped(said)
    answer.writeHead(status, said.replace(/[^\x20-\x7e]/g, ' '), {
      'x-echo': said,
      'x-amz-request-id': said,
      'x-trans-id': said,
      'www-authenticate': said,
      etag: said,
      location: `http://127.0.0.1:${this.port}/${SECRETS.locationToken}?token=${said.replace(/[^\w/?=]/g, '')}`,
      'content-type': status === 500 ? 'text/html' : 'application/xml'
    })
    answer.end(
      `<Error><Code>${text}</Code><Message>${text}</Message><RequestId>${text}</RequestId></Error>`
    )
  }

  /** As much of S3, Swift and a web server as an image of a few bytes needs. */
  #work(asked: http.IncomingMessage, bytes: Buffer, answer: http.ServerResponse): void {
    const { pathname, search } = new URL(asked.url ?? '', 'http://backend')
    const send = (status: number, headers: http.OutgoingHttpHeaders = {}, body?: Buffer | string) =>
      answer.writeHead(status, headers).end(asked.method === 'HEAD' ? undefined : body)
    if (pathname.startsWith('/auth/')) {
      const url = `http://127.0.0.1:${this.port}/v1/AUTH_test`
      send(200, { 'x-auth-token': SECRETS.chaseToken, 'x-storage-url': url })
    } else if (pathname === '/info') send(200, {}, '{"tempurl":{"methods":["GET"]},"swift":{}}')
    else if (asked.method === 'PUT') {
      const etag = createHash('md5').update(bytes).digest('hex')
      const own = Object.entries(asked.headers).filter(([name]) =>
        /^x-(amz|object)-meta/.test(name)
      )
      this.#objects.set(pathname, { bytes, headers: { ...Object.fromEntries(own), etag } })
      send(201, { etag })
    } else if (asked.method === 'DELETE') send(this.#objects.delete(pathname) ? 204 : 404)
    else if (search.includes('format=json')) send(200, { 'content-type': 'application/json' }, '[]')
    else if (/list-type|uploads|location/.test(search)) send(200, {}, '<Result></Result>')
    else if (/^\/(images|v1\/AUTH_test\/images)\/?$/.test(pathname)) send(204)
    else {
      const found = this.#objects.get(pathname)
      const headers = { ...found?.headers, 'content-length': found?.bytes.length }
      if (found === undefined) send(404)
      else send(200, headers, found.bytes)
    }
  }

  /** Puts something where a web server has it. */
  publish(path: string, text: string): string {
    this.#objects.set(path, { bytes: Buffer.from(text), headers: {} })
    return `http://127.0.0.1:${this.port}${path}?token=${SECRETS.locationToken}&size=1`
  }
}
