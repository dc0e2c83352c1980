import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { isPassing, isPassingStatus } from '../download/request.ts'
import {
  answerToError,
  isNotNow,
  isTankClientError,
  TankClientError,
  transportToError
} from '../errors.ts'
import { startIdleWatch } from '../idle.ts'
import {
  createImageHttp,
  type ImageHttp,
  type ImageHttpOptions,
  inTime,
  type JsonRequest
} from '../image-http.ts'
import {
  type Answer,
  openTransport,
  TransportError,
  type TransportOptions,
  toTransportError
} from '../transport.ts'
import { isConnectFailure, readSmall, sendBody, type TransferTimes } from '../upload/send-body.ts'
import { awaitBytes, type OpenSource, sourceFailed, type TakenSource } from '../upload/source.ts'

export interface LegacyHttpOptions {
  /** Where the API is, with its path: `http://127.0.0.1:9292/v1`. */
  readonly base: () => Promise<string>
  readonly http: ImageHttpOptions
  readonly tls: Pick<TransportOptions, 'ca' | 'cert' | 'key' | 'insecure' | 'dispatcher'>
  readonly times: TransferTimes
}

type LegacyRequest = Omit<JsonRequest, 'accept'>

interface LegacyUpload {
  readonly method: Dispatcher.HttpMethod
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly source: TakenSource
  readonly signal?: AbortSignal | undefined
}

export interface LegacyBody {
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
}

/** Requests of the Image API v1, which may be answered at another place. */
export interface LegacyHttp {
  call(request: LegacyRequest): Promise<Answer>
  upload(upload: LegacyUpload): Promise<Answer>
  /** The body of an answer as it comes; whoever takes it reads or destroys it. */
  open(path: string, signal: AbortSignal | undefined): Promise<LegacyBody>
  close(): Promise<void>
}

/** Parts of a path that a URL leaves out, so that another path would be asked for. */
const LEFT_OUT = /\/\.{0,2}(?=[/?]|$)/
const MAX_REDIRECTS = 5
const REDIRECTS: readonly number[] = [301, 302, 303, 305, 307, 308]
/** 128 properties have to fit. */
const MAX_HEADER_SIZE = 256 * 1024

/** Where one request of a chain goes. */
interface Hop {
  readonly http: ImageHttp
  readonly path: string
}

interface Facts {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

export function createLegacyHttp(options: LegacyHttpOptions): LegacyHttp {
  const servers = new Map<string, ImageHttp>()
  let closed = false

  /** The server at an origin. Only the client's own is told who asks, by token or certificate. */
  const serverAt = (origin: string, isOwn: boolean): ImageHttp => {
    const name = isOwn ? 'own' : origin
    const known = servers.get(name)
    if (known !== undefined) return known
    if (closed) throw new TankClientError('UNREACHABLE', 'the client has been closed')
    const transport = openTransport({
      ...options.tls,
      ...(!isOwn && { cert: undefined, key: undefined }),
      url: origin,
      maxHeaderSize: MAX_HEADER_SIZE
    })
    const { http } = options
    const made = createImageHttp(
      transport,
      isOwn ? http : { ...http, auth: undefined, headers: {} }
    )
    servers.set(name, made)
    return made
  }

  /** Sends to where the answers lead, by the same method, at most five times elsewhere. */
  const follow = async <A extends Facts>(
    { path, signal }: Pick<LegacyRequest, 'path' | 'signal'>,
    exchange: (hop: Hop) => Promise<A>
  ): Promise<A> => {
    if (LEFT_OUT.test(path)) {
      throw new TankClientError('INVALID_REQUEST', 'an id is empty, or nothing but dots')
    }
    const base = await inTime(options.base(), 'address of the image service', options.http, signal)
    const own = new URL(base).origin
    let url = new URL(base + path)
    // what another host leads back to is that host's wish, and done in nobody's name
    let isOwn = true
    for (let redirects = 0; ; redirects++) {
      isOwn &&= url.origin === own
      const http = serverAt(url.origin, isOwn)
      const answer = await exchange({ http, path: url.pathname + url.search })
      if (!REDIRECTS.includes(answer.status)) return answer
      if (redirects === MAX_REDIRECTS) {
        const text = `the answers led to another place more than ${MAX_REDIRECTS} times`
        throw new TankClientError('TOO_MANY_REDIRECTS', text, { status: answer.status })
      }
      url = nextPlace(url, answer)
    }
  }

  return {
    call: (request) =>
      follow(request, ({ http, path }) => http.call({ ...request, path, accept: REDIRECTS })),
    upload: (upload) => follow(upload, (hop) => sendFrom(hop, upload, options.times)),
    async open(path, signal) {
      const answer = await follow({ path, signal }, (hop) => openBody(hop, options.times, signal))
      if (answer.status === 200 && 'stream' in answer) {
        return { headers: answer.headers, body: answer.stream }
      }
      throw answerToError({ ...answer, body: 'body' in answer ? answer.body : Buffer.alloc(0) })
    },
    async close() {
      closed = true
      await Promise.all([...servers.values()].map(({ transport }) => transport.close()))
    }
  }
}

/** The place that an answer names; never from an encrypted to a plain connection. */
function nextPlace(from: URL, { status, headers }: Facts): URL {
  const { location } = headers
  const refuse = (why: string) => new TankClientError('INVALID_REDIRECT', why, { status })
  if (location === undefined) throw refuse(`the server answered ${status} and names no place`)
  if (!URL.canParse(location, from.href)) throw refuse('the server names a place that is no URL')
  const to = new URL(location, from)
  if (to.protocol !== 'https:' && (to.protocol !== 'http:' || from.protocol === 'https:')) {
    throw refuse(`the server leads from ${from.protocol} to ${to.protocol}`)
  }
  // some name only the other host and forget what was asked for
  if (to.search === '' && to.pathname === from.pathname) to.search = from.search
  return to
}

/** Sends the bytes; again only what can be read again and the server did not take. */
async function sendFrom(
  { http, path }: Hop,
  { method, headers, source, signal }: LegacyUpload,
  times: TransferTimes
): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    const own = await http.headers(signal)
    const opened = await openInTime(source, times.idleTimeoutMs, signal)
    if (opened.size === 0 && method === 'PUT') {
      // without a body the request would ask for something else, and the properties would go
      throw sourceFailed('there are none, which only a new image can have')
    }
    const request = { method, path, headers: { ...own, ...withSize(headers, opened) }, signal }
    const sending = await sendBody(http.transport, request, opened, times)
    const status = sending.answer?.status ?? 0
    const elsewhere = REDIRECTS.includes(status)
    if (sending.answer !== undefined && status >= 200 && status < 300) return sending.answer
    if (sending.answer !== undefined && elsewhere && source.isReplayable) return sending.answer
    if (elsewhere) {
      const text = 'the server wants the bytes at another place, and a stream cannot be sent twice'
      throw new TankClientError('INVALID_REDIRECT', text, { status })
    }
    const error = sending.error ?? answerToError(sending.answer)
    // without an id a second POST would make a second image
    const isRepeatable = method !== 'POST' || ID in headers
    const refused = isRepeatable ? isNotNow(status) : status === 429
    const unsent = sending.error === undefined ? refused : sending.unsent
    const renewable = attempt === 0 && status === 401 && http.refuse(own)
    const again = renewable || (unsent && attempt < http.options.retries)
    if (!again || !source.isReplayable) throw error
    if (!renewable) await http.pause(attempt, error, signal)
  }
}

/** Opens the source and has its first byte: a request in chunks is not sent for no bytes. */
async function openInTime(
  source: TakenSource,
  idleTimeoutMs: number,
  signal: AbortSignal | undefined
): Promise<OpenSource> {
  const watch = startIdleWatch(idleTimeoutMs, signal)
  watch.signal.addEventListener('abort', source.release, { once: true })
  try {
    watch.signal.throwIfAborted()
    return await awaitBytes(await source.open())
  } catch (error) {
    watch.signal.throwIfAborted()
    throw error
  } finally {
    watch.stop()
  }
}

/** A length that is known is said twice: as that of the request, and as that of the image. */
function withSize(
  headers: Readonly<Record<string, string>>,
  { stream, size }: OpenSource
): Readonly<Record<string, string>> {
  if (size === undefined) return headers
  const said = headers[SIZE]
  if (said !== undefined && said !== String(size)) {
    stream.destroy()
    throw new TankClientError('SIZE_MISMATCH', `the data has ${size} bytes, its size says ${said}`)
  }
  return { ...headers, [SIZE]: String(size) }
}

const SIZE = 'x-image-meta-size'
const ID = 'x-image-meta-id'

type Opened = Answer | (Facts & { readonly stream: Readable })

async function openBody(
  { http, path }: Hop,
  times: TransferTimes,
  signal: AbortSignal | undefined
): Promise<Opened> {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await http.authorised(
        (headers) => requestBody(http, path, headers, times, signal),
        signal
      )
      if (!isPassingStatus(answer.status) || 'stream' in answer) return answer
      throw answerToError(answer)
    } catch (error) {
      if (!isPassing(error) || attempt >= http.options.retries) throw error
      await http.pause(attempt, error, signal)
    }
  }
}

async function requestBody(
  { transport, options }: ImageHttp,
  path: string,
  headers: Record<string, string>,
  times: TransferTimes,
  signal: AbortSignal | undefined
): Promise<Opened> {
  const dispatcher = await transport.dispatcher()
  const fail = (error: unknown): never => {
    signal?.throwIfAborted()
    throw bodyFailed(transport.url, error)
  }
  const answer = await dispatcher
    .request({
      origin: transport.origin,
      path: transport.prefix + path,
      method: 'GET',
      headers,
      signal: signal ?? null,
      headersTimeout: options.timeoutMs,
      bodyTimeout: times.idleTimeoutMs
    })
    .catch(fail)
  const facts = { status: answer.statusCode, headers: answer.headers }
  if (facts.status !== 200) return { ...facts, body: await readSmall(answer.body).catch(fail) }
  // Who gives the stream up before its end does not listen any more.
  answer.body.on('error', () => undefined)
  return { ...facts, stream: answer.body }
}

/** What ended a body, or the wait for one. */
export function bodyFailed(url: string, error: unknown): TankClientError {
  if (isTankClientError(error)) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return transportToError(new TransportError('timeout', `${url} has fallen silent`, true))
  }
  return transportToError(toTransportError(url, error, !isConnectFailure(error)))
}
