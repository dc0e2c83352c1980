import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { Auth } from './auth/auth.ts'
import { answerToError, isTankClientError, TankClientError, transportToError } from './errors.ts'
import { type Answer, type Transport, TransportError } from './transport.ts'

export interface ImageHttpOptions {
  readonly auth: Auth | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly retries: number
  readonly retryDelayMs: number
}

export interface JsonRequest {
  readonly method: Dispatcher.HttpMethod
  /** Path and query below the service's URL, such as `/v2/images`. */
  readonly path: string
  /** Sent as JSON, a text as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly contentType?: string
  readonly signal?: AbortSignal | undefined
  /**
   * Which failures are worth another try. `always`: doing it twice is doing it once. `unsent`: only
   * when the server certainly did not do it, and after a 503 unless it is a POST, as another of
   * these would make something else.
   */
  readonly repeat: 'always' | 'unsent'
  /** Statuses besides 2xx that are no error. */
  readonly accept?: readonly number[]
  /** Status that is no error after a repetition: the first sending was carried out, it says. */
  readonly doneWhenRepeated?: number | undefined
}

/** A removal that was repeated may find its own work. */
export const REMOVAL = { repeat: 'always', doneWhenRepeated: 404 } as const

/** The public Image API over one transport: identity, retries, errors. */
export interface ImageHttp {
  readonly transport: Transport
  readonly options: ImageHttpOptions
  call(request: JsonRequest): Promise<Answer>
  /** Headers that every request carries. */
  headers(signal: AbortSignal | undefined): Promise<Record<string, string>>
  /** The token of these headers was refused. True when the next headers may have another. */
  refuse(headers: Readonly<Record<string, string>>): boolean
  /** Sends with a token, and once more with the next one when that is refused. */
  authorised<A extends { readonly status: number }>(
    send: (headers: Record<string, string>) => Promise<A>,
    signal: AbortSignal | undefined
  ): Promise<A>
  /** Waits before try number `attempt` (from 0), as long as an answer asked for if it did. */
  pause(attempt: number, error: unknown, signal: AbortSignal | undefined): Promise<void>
}

export function createImageHttp(transport: Transport, options: ImageHttpOptions): ImageHttp {
  const http: ImageHttp = {
    transport,
    options,
    call: (request) => callWithRetries(http, request),
    headers: (signal) => headersOf(options, signal),
    refuse: (headers) => {
      const token = headers[TOKEN]
      return token !== undefined && options.auth?.refuse(token) === true
    },
    async authorised(send, signal) {
      const headers = await http.headers(signal)
      const answer = await send(headers)
      if (answer.status !== 401 || !http.refuse(headers)) return answer
      return send(await http.headers(signal))
    },
    pause: (attempt, error, signal) => pause(options.retryDelayMs, attempt, error, signal)
  }
  return http
}

const TOKEN = 'x-auth-token'

async function headersOf(
  options: ImageHttpOptions,
  signal: AbortSignal | undefined
): Promise<Record<string, string>> {
  const headers: Record<string, string> = { accept: '*/*', ...options.headers }
  const token = await inTime(options.auth?.token(), 'token', options, signal)
  if (token !== undefined && token !== '') headers[TOKEN] = token
  return headers
}

/** What an `auth` gives, the reason of the signal, or `TIMEOUT`, whichever comes first. */
export async function inTime<T>(
  promise: T | Promise<T>,
  what: string,
  options: Pick<ImageHttpOptions, 'timeoutMs' | 'retries'>,
  signal: AbortSignal | undefined
): Promise<T> {
  signal?.throwIfAborted()
  if (!(promise instanceof Promise)) return promise
  let onAbort = () => {}
  let timer: NodeJS.Timeout | undefined
  const timeoutMs = options.timeoutMs * (options.retries + 1)
  const given = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort)
    const text = `no ${what} came within ${timeoutMs} ms`
    timer = setTimeout(() => reject(new TankClientError('TIMEOUT', text)), timeoutMs)
  })
  try {
    return await Promise.race([promise, given])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

async function callWithRetries(http: ImageHttp, request: JsonRequest): Promise<Answer> {
  let repeated = false
  for (let attempt = 0; ; attempt++) {
    const outcome = await send(http, request)
    if (outcome.error === undefined) return outcome.answer
    if (repeated && outcome.answer?.status === request.doneWhenRepeated && outcome.answer) {
      return outcome.answer
    }
    const mayRepeat =
      request.repeat === 'always' || (outcome.answer?.status === 503 && request.method !== 'POST')
    const again = outcome.unsent || (outcome.passing && mayRepeat)
    if (!again || attempt >= http.options.retries) throw outcome.error
    repeated ||= !outcome.unsent
    await http.pause(attempt, outcome.error, request.signal)
  }
}

/** `unsent`: certainly not carried out. `passing`: may be well a little later. */
type Outcome =
  | { readonly answer: Answer; readonly error: undefined }
  | {
      readonly answer: Answer | undefined
      readonly error: TankClientError
      readonly unsent: boolean
      readonly passing: boolean
    }

async function send(http: ImageHttp, request: JsonRequest): Promise<Outcome> {
  const { body, contentType = 'application/json' } = request
  const typed = body === undefined ? undefined : { 'content-type': contentType }
  try {
    const answer = await http.authorised(
      (headers) =>
        http.transport.call({
          method: request.method,
          path: request.path,
          headers: Object.entries({ ...headers, ...request.headers, ...typed }).flat(),
          body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
          timeoutMs: http.options.timeoutMs,
          signal: request.signal
        }),
      request.signal
    )
    const { status } = answer
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) {
      return { answer, error: undefined }
    }
    const error = answerToError(answer)
    const passing = status === 502 || status === 503 || status === 504
    return { answer, error, unsent: status === 429, passing }
  } catch (error) {
    if (!(error instanceof TransportError)) throw error
    const passing = error.reason !== 'invalid' && error.reason !== 'certificate'
    const unsent = passing && !error.sent
    return { answer: undefined, error: transportToError(error), unsent, passing }
  }
}

const LONGEST_PAUSE_MS = 30_000

async function pause(
  delayMs: number,
  attempt: number,
  error: unknown,
  signal: AbortSignal | undefined
): Promise<void> {
  const backoff = delayMs * 2 ** attempt * (0.75 + Math.random() / 2)
  const asked = isTankClientError(error) ? (error.retryAfter ?? 0) * 1_000 : 0
  const wait = Math.min(Math.max(backoff, asked), LONGEST_PAUSE_MS)
  try {
    await sleep(wait, undefined, signal === undefined ? {} : { signal })
  } catch (failure) {
    signal?.throwIfAborted()
    throw failure
  }
}

/** Every call can be given up. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** The body of an answer as an object; anything else is no answer of this API. */
export function readObject(answer: Answer): Record<string, unknown> {
  const parsed = parse(answer)
  if (isRecord(parsed)) return Object.fromEntries(Object.entries(parsed))
  throw badAnswer(answer, 'a JSON object')
}

/** The list that an answer is, or that it has under `key`. */
export function readList(answer: Answer, key?: string): readonly unknown[] {
  const list = key === undefined ? parse(answer) : readObject(answer)[key]
  if (Array.isArray(list)) return list
  throw badAnswer(answer, key === undefined ? 'a JSON array' : `a list of ${key}`)
}

function parse(answer: Answer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8'))
  } catch {
    return undefined
  }
}

function badAnswer({ status }: Answer, wanted: string): TankClientError {
  return new TankClientError('BAD_ANSWER', `the server sent something that is not ${wanted}`, {
    status
  })
}

/** An object that has a text under `key`, by which it is known. */
export function toRecord(value: unknown, key: string, what: string): Record<string, unknown> {
  if (isRecord(value) && typeof value[key] === 'string') return value
  throw new TankClientError('BAD_ANSWER', `the server sent no ${what}`)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
