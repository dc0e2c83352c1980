// A server of one bucket, in memory, that knows what the store asks of S3 and no more. It checks
// signatures, part sizes and conditions; it is no proof that a real server agrees.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import { md5, metadataOf, Refused, rangeOf, send, statusOf, xml } from './fake-answers.ts'
import { listObjects, listParts, listUploads } from './fake-listings.ts'
import { type Account, refusal } from './signature.ts'

const MIN_PART = 5 * 1024 ** 2

export interface FakeObject {
  readonly bytes: Buffer
  readonly etag: string
  readonly modified: Date
  readonly metadata: Record<string, string>
}

export interface FakeUpload {
  readonly id: string
  readonly key: string
  readonly metadata: Record<string, string>
  readonly parts: Map<number, FakeObject>
}

/**
 * What a test makes the fake do instead of answering: an error code, or nothing. LOST: it does what
 * it was asked for, and the answer is lost.
 */
export type Whim = (request: IncomingMessage, body: Buffer) => string | undefined

export class FakeS3 {
  readonly bucket = 'tank-test'
  readonly account: Account = { accessKey: 'fakeaccess', secretKey: 'fakesecret' }
  readonly objects = new Map<string, FakeObject>()
  readonly uploads = new Map<string, FakeUpload>()
  /** `PUT` or `POST uploads` and the like, one for each request that was answered. */
  readonly log: string[] = []
  whim: Whim = () => undefined
  /** As servers do that do not know If-None-Match. */
  ignoresConditions = false
  /** The most requests that were under way at once. */
  peak = 0
  endpoint = ''
  readonly #server: Server
  #running = 0

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(): Promise<FakeS3> {
    const server = createServer()
    const fake = new FakeS3(server)
    server.on('request', (request, response) => void fake.#handle(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    fake.endpoint = `http://127.0.0.1:${address.port}`
    return fake
  }

  get port(): number {
    return Number(new URL(this.endpoint).port)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#running += 1
    this.peak = Math.max(this.peak, this.#running)
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      this.#judge(request, Buffer.concat(chunks), response)
    } catch (error) {
      if (error instanceof Refused) {
        const text = request.method === 'HEAD' ? '' : xml('Error', { Code: error.code })
        send(response, statusOf(error.code), text)
      } else response.destroy()
    } finally {
      this.#running -= 1
    }
  }

  #judge(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const { headers } = request
    // A body in frames, as newer clients send streams, would be stored as it comes.
    if (headers['content-encoding'] !== undefined) throw new Refused('NotImplemented')
    if (headers['transfer-encoding'] !== undefined) throw new Refused('MissingContentLength')
    const whim = this.whim(request, body)
    if (whim === 'LOST') {
      this.#answer(request, body, new ServerResponse(request))
      response.destroy()
      return
    }
    // Not Date.now(), which tests put wrong.
    const now = performance.timeOrigin + performance.now()
    const code = whim ?? refusal(request, body, this.account, now)
    if (code !== undefined) throw new Refused(code)
    this.#answer(request, body, response)
  }

  #answer(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url ?? '', this.endpoint)
    const [, bucket, ...rest] = decodeURIComponent(pathname).split('/')
    const key = rest.join('/')
    const what = ['uploads', 'uploadId', 'list-type'].find((name) => query.has(name))
    this.log.push(`${request.method}${what === undefined ? '' : ` ${what}`}`)
    if (bucket !== this.bucket) throw new Refused('NoSuchBucket')
    const id = query.get('uploadId')
    if (id !== null) this.#upload(request, response, body, this.#find(id, key), query)
    else if (query.has('uploads')) {
      if (request.method === 'POST') this.#begin(request, response, key)
      else listUploads(response, [...this.uploads.values()], query)
    } else if (query.has('list-type')) listObjects(response, this.objects, query)
    else this.#object(request, response, body, key)
  }

  #object(request: IncomingMessage, response: ServerResponse, body: Buffer, key: string): void {
    if (request.method === 'PUT') {
      const bytes = this.#source(request) ?? body
      this.#store(request, key, bytes, md5(bytes), metadataOf(request))
      const etag = `"${md5(bytes)}"`
      send(response, 200, xml('CopyObjectResult', { ETag: etag }), { etag })
    } else if (request.method === 'DELETE') {
      this.objects.delete(key)
      send(response, 204, '')
    } else this.#read(request, response, key)
  }

  #read(request: IncomingMessage, response: ServerResponse, key: string): void {
    const object = this.objects.get(key)
    if (object === undefined) throw new Refused('NoSuchKey')
    const { bytes, etag, metadata } = object
    const headers: Record<string, string> = { etag: `"${etag}"` }
    for (const [name, value] of Object.entries(metadata)) headers[`x-amz-meta-${name}`] = value
    const range = request.headers.range && rangeOf(request.headers.range, bytes.length)
    const part = range ? bytes.subarray(range[0], range[1] + 1) : bytes
    if (range) headers['content-range'] = `bytes ${range[0]}-${range[1]}/${bytes.length}`
    response.writeHead(range ? 206 : 200, { ...headers, 'content-length': part.length })
    response.end(request.method === 'HEAD' ? undefined : part)
  }

  #store(
    request: IncomingMessage,
    key: string,
    bytes: Buffer,
    etag: string,
    metadata: Record<string, string>
  ): void {
    const isAlone = request.headers['if-none-match'] === '*' && !this.ignoresConditions
    if (isAlone && this.objects.has(key)) {
      throw new Refused('PreconditionFailed')
    }
    this.objects.set(key, { bytes, etag, metadata, modified: new Date() })
  }

  /** The bytes that a request says to copy. */
  #source(request: IncomingMessage): Buffer | undefined {
    const source = request.headers['x-amz-copy-source']
    if (source === undefined) return undefined
    const [, ...name] = decodeURIComponent(String(source)).split('/')
    const object = this.objects.get(name.join('/'))
    if (object === undefined) throw new Refused('NoSuchKey')
    const range = request.headers['x-amz-copy-source-range']
    const [first, last] = range
      ? rangeOf(String(range), object.bytes.length)
      : [0, object.bytes.length]
    return object.bytes.subarray(first, last + 1)
  }

  #begin(request: IncomingMessage, response: ServerResponse, key: string): void {
    const id = randomUUID()
    this.uploads.set(id, { id, key, metadata: metadataOf(request), parts: new Map() })
    send(response, 200, xml('InitiateMultipartUploadResult', { UploadId: id }))
  }

  #find(id: string, key: string): FakeUpload {
    const upload = this.uploads.get(id)
    if (upload?.key !== key) throw new Refused('NoSuchUpload')
    return upload
  }

  #upload(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    upload: FakeUpload,
    query: URLSearchParams
  ): void {
    if (request.method === 'PUT') {
      const bytes = this.#source(request) ?? body
      const etag = md5(bytes)
      const part = { bytes, etag, modified: new Date(), metadata: {} }
      upload.parts.set(Number(query.get('partNumber')), part)
      send(response, 200, xml('CopyPartResult', { ETag: `"${etag}"` }), { etag: `"${etag}"` })
    } else if (request.method === 'POST') {
      this.#complete(request, body.toString(), upload)
      // As Ceph does it.
      send(response, 200, xml('CompleteMultipartUploadResult', { ETag: '' }))
    } else if (request.method === 'DELETE') {
      this.uploads.delete(upload.id)
      send(response, 204, '')
    } else listParts(response, upload.parts, query)
  }

  #complete(request: IncomingMessage, text: string, upload: FakeUpload): void {
    const numbers = [...text.matchAll(/<PartNumber>(\d+)</g)].map((match) => Number(match[1]))
    const etags = [...text.matchAll(/<ETag>(.*?)</g)].map((match) =>
      match[1]?.replace(/&quot;|"/g, '')
    )
    const parts = numbers.map((number, index) => {
      const part = upload.parts.get(number)
      if (part === undefined || part.etag !== etags[index]) throw new Refused('InvalidPart')
      if (index < numbers.length - 1) {
        if (part.bytes.length < MIN_PART) throw new Refused('EntityTooSmall')
        if (number >= (numbers[index + 1] ?? 0)) throw new Refused('InvalidPartOrder')
      }
      return part.bytes
    })
    const bytes = Buffer.concat(parts)
    this.#store(request, upload.key, bytes, `${md5(bytes)}-${parts.length}`, upload.metadata)
    this.uploads.delete(upload.id)
  }
}
