import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse
} from 'node:http'
import { FakeObjects, md5 } from './fake-objects.ts'

export interface FakeOptions {
  /** As the RADOS Gateway: no conditions, no nesting, no manifests shown, SHA-1 only. */
  readonly gateway?: boolean
  readonly maxFileSize?: number
  readonly maxSegments?: number
  /** Seconds that a token is said to live. */
  readonly tokenLife?: number
}

/** A request as the hook of a test sees it. */
export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly token: string | undefined
}

/**
 * A small imitation of a Swift server in this process, for machines without a real one: accounts of
 * one user, objects in memory. What is proven with it is proven of the store, not of Swift.
 */
export class FakeChase {
  readonly port: number
  readonly containers = new Map<string, FakeObjects>()
  readonly tokens = new Set<string>()
  readonly requests: FakeRequest[] = []
  /** A status to answer instead, or nothing. Swift reads the body before it answers, so do we. */
  intercept: ((request: FakeRequest) => number | undefined) | undefined
  /** What an intercepted request is told. */
  words = 'intercepted'
  logins = 0
  user = 'test:tester'
  key = 'testing'
  tempUrlKey = 'temp-url-key'
  readonly #server: Server
  readonly #options: FakeOptions

  private constructor(server: Server, port: number, options: FakeOptions) {
    this.#server = server
    this.#options = options
    this.port = port
    server.on('request', (request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
  }

  static async open(options: FakeOptions = {}): Promise<FakeChase> {
    const server = createServer({ keepAliveTimeout: 60_000 }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return new FakeChase(server, address.port, options)
  }

  get account(): string {
    return this.#options.gateway ? '/swift/v1' : '/v1/AUTH_test'
  }

  objects(container: string): FakeObjects {
    const objects = this.containers.get(container)
    if (objects === undefined) throw new Error(`the fake has no container ${container}`)
    return objects
  }

  makeContainer(container: string): void {
    const isGateway = this.#options.gateway ?? false
    this.containers.set(container, new FakeObjects(container, isGateway))
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake')
    const header = request.headers['x-auth-token']
    const seen = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      token: typeof header === 'string' ? header : undefined
    }
    this.requests.push(seen)
    const body = await collect(request)
    const status = this.intercept?.(seen)
    const answer = status === undefined ? this.#answer(seen, body) : { status, text: this.words }
    await send(response, answer)
  }

  #answer(request: FakeRequest, body: Buffer): Answer {
    const { path } = request
    if (path === '/auth/v1.0') return this.#login(request)
    if (path.endsWith('/info')) return { status: 200, text: JSON.stringify(this.#info()) }
    if (!this.#isAllowed(request)) return { status: 401, text: 'no such token' }
    if (path === this.account) return { status: 204 }
    const [, container = '', name] =
      /^\/([^/]+)(?:\/(.*))?$/s.exec(path.slice(this.account.length)) ?? []
    if (name === undefined) return this.#container(request, container)
    const objects = this.containers.get(container)
    return objects === undefined ? { status: 404 } : this.#object(request, objects, name, body)
  }

  #login({ headers }: FakeRequest): Answer {
    this.logins += 1
    const { 'x-auth-user': user, 'x-auth-key': key } = headers
    if (user !== this.user || key !== this.key) return { status: 401, text: `not ${key}` }
    const token = `AUTH_tk${randomUUID()}`
    this.tokens.add(token)
    const { tokenLife, gateway } = this.#options
    const life = tokenLife === undefined ? {} : { 'x-auth-token-expires': String(tokenLife) }
    const storage = `http://127.0.0.1:${this.port}${this.account}`
    return {
      status: gateway ? 204 : 200,
      headers: { 'x-auth-token': token, 'x-storage-url': storage, ...life }
    }
  }

  #info(): object {
    const { gateway, maxFileSize = 5 * 1024 ** 3, maxSegments = 1000 } = this.#options
    return {
      swift: { version: 'fake', max_file_size: maxFileSize },
      slo: { max_manifest_segments: maxSegments, ...(gateway ? {} : { min_segment_size: 1 }) },
      tempurl: gateway ? { methods: ['GET'] } : { allowed_digests: ['sha1', 'sha256'] }
    }
  }

  #isAllowed({ method, path, query, token }: FakeRequest): boolean {
    if (token !== undefined) return this.tokens.has(token)
    const expires = query.get('temp_url_expires')
    const digest = this.#options.gateway ? 'sha1' : 'sha256'
    const text = `${method === 'HEAD' ? 'GET' : method}\n${expires}\n${path}`
    const wanted = createHmac(digest, this.tempUrlKey).update(text).digest('hex')
    return query.get('temp_url_sig') === wanted && Number(expires) > Date.now() / 1_000
  }

  #container({ method, query }: FakeRequest, container: string): Answer {
    const objects = this.containers.get(container)
    if (method === 'PUT') {
      if (objects === undefined) this.makeContainer(container)
      return { status: 201 }
    }
    if (objects === undefined) return { status: 404 }
    if (method === 'HEAD') return { status: 204 }
    const limit = Number(query.get('limit') ?? 10_000)
    const page = objects.list(query.get('prefix') ?? '', query.get('marker') ?? '', limit)
    return { status: 200, text: JSON.stringify(page) }
  }

  #object(request: FakeRequest, objects: FakeObjects, name: string, body: Buffer): Answer {
    const { method, query, headers } = request
    if (method === 'PUT') return this.#put(request, objects, name, body)
    if (method === 'DELETE') return { status: objects.delete(name) ? 204 : 404 }
    const object = objects.get(name)
    if (object === undefined) return { status: 404 }
    if (query.get('multipart-manifest') === 'get') {
      return { status: 200, text: objects.shown(object) }
    }
    const size = objects.size(object)
    const isManifest = object.manifest !== undefined
    const said = {
      etag: isManifest ? `"${object.etag}"` : object.etag,
      ...(isManifest ? { 'x-static-large-object': 'True' } : {}),
      ...(object.put === undefined ? {} : { 'x-object-meta-tank-put': object.put })
    }
    if (method === 'HEAD') {
      return { status: 200, headers: { ...said, 'content-length': String(size) } }
    }
    const part = partOf(size, headers.range)
    if (part === undefined) return { status: 416 }
    return { ...part, headers: { ...said, ...part.headers }, content: objects.content(object) }
  }

  #put(request: FakeRequest, objects: FakeObjects, name: string, body: Buffer): Answer {
    const { headers, query } = request
    const { etag, 'x-copy-from': from, 'x-object-meta-tank-put': meta } = headers
    const put = typeof meta === 'string' ? meta : undefined
    const isConditional = headers['if-none-match'] === '*' && !this.#options.gateway
    if (isConditional && objects.get(name)) return { status: 412 }
    if (typeof from === 'string') {
      const original = objects.get(decodeURIComponent(from).split('/').slice(2).join('/'))
      if (original === undefined) return { status: 404 }
      return { status: 201, headers: { etag: objects.put(name, original.bytes, put).etag } }
    }
    if (query.get('multipart-manifest') === 'put') {
      const object = objects.putManifest(name, body, put)
      if (object === undefined) return { status: 400, text: 'Errors: Etag Mismatch' }
      return { status: 201, headers: { etag: `"${object.etag}"` } }
    }
    if (body.length > (this.#options.maxFileSize ?? Number.POSITIVE_INFINITY)) {
      return { status: 413 }
    }
    if (etag !== undefined && etag !== md5(body)) return { status: 422 }
    return { status: 201, headers: { etag: objects.put(name, body, put).etag } }
  }
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly text?: string
  /** The bytes from which `from` to `end` are sent, as far as there are any. */
  readonly content?: Buffer
  readonly from?: number
  readonly end?: number
}

async function collect(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  // A body that is cut short rejects here, and leaves nothing, as in Swift.
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function partOf(size: number, range: string | undefined): Answer | undefined {
  const wanted = /^bytes=(\d+)-(\d+)$/.exec(range ?? '')
  if (wanted === null) {
    return { status: 200, from: 0, end: size, headers: { 'content-length': String(size) } }
  }
  const from = Number(wanted[1])
  const end = Math.min(Number(wanted[2]) + 1, size)
  if (from >= size) return undefined
  const headers = {
    'content-range': `bytes ${from}-${end - 1}/${size}`,
    'content-length': String(end - from)
  }
  return { status: 206, from, end, headers }
}

/** Sends what is there of the bytes that were promised; when some are missing, it hangs up. */
async function send(response: ServerResponse, answer: Answer): Promise<void> {
  const { status, headers = {}, text = '', content, from = 0, end = 0 } = answer
  response.writeHead(status, headers)
  if (content === undefined) {
    response.end(text)
    return
  }
  const bytes = content.subarray(from, end)
  for (let at = 0; at < bytes.length; at += 65_536) {
    if (!response.write(bytes.subarray(at, at + 65_536))) await once(response, 'drain')
  }
  if (content.length < end) response.destroy()
  else response.end()
}
