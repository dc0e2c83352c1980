import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { answerToError, TankClientError, transportToError } from './errors.ts'
import { type Answer, type Transport, TransportError } from './transport.ts'

/** Gives the token for the next request; it is asked again when a server refuses the last one. */
export type TokenSource = string | (() => Promise<string>)

export interface ImageHttpOptions {
  readonly token: TokenSource | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly retries: number
  readonly retryDelayMs: number
}

interface JsonRequest {
  readonly method: Dispatcher.HttpMethod
  /** Path and query below the service's URL, such as `/v2/images`. */
  readonly path: string
  readonly body?: unknown
  readonly contentType?: string
  readonly signal?: AbortSignal | undefined
  /**
   * Which failures are worth another try. `always`: doing it twice is doing it once. `unsent`: only
   * when the server certainly did not do it.
   */
  readonly repeat: 'always' | 'unsent'
  /** Statuses besides 2xx that are no error. */
  readonly accept?: readonly number[]
  /** Status that is no error after a repetition: the first sending was carried out, it says. */
  readonly doneWhenRepeated?: number | undefined
}

/** The public Image API over one transport: identity, retries, errors. */
export interface ImageHttp {
  readonly transport: Transport
  readonly options: ImageHttpOptions
  call(request: JsonRequest): Promise<Answer>
  /** Headers that every request carries. */
  headers(): Promise<Record<string, string>>
  /** Waits before try number `attempt` (from 0), as long as an answer asked for if it did. */
  pause(attempt: number, error: unknown, signal: AbortSignal | undefined): Promise<void>
}

export function createImageHttp(transport: Transport, options: ImageHttpOptions): ImageHttp {
  const http: ImageHttp = {
    transport,
    options,
    call: (request) => callWithRetries(http, request),
    headers: () => headersOf(options),
    pause: (attempt, error, signal) => pause(options.retryDelayMs, attempt, error, signal)
  }
  return http
}

async function headersOf(options: ImageHttpOptions): Promise<Record<string, string>> {
  const headers: Record<string, string> = { accept: '*/*', ...options.headers }
  const { token } = options
  const value = typeof token === 'function' ? await token() : token
  if (value !== undefined && value !== '') headers['x-auth-token'] = value
  return headers
}

async function callWithRetries(http: ImageHttp, request: JsonRequest): Promise<Answer> {
  let repeated = false
  let refused: string | undefined
  for (let attempt = 0; ; attempt++) {
    const headers = await http.headers()
    const token = headers['x-auth-token']
    const outcome = await send(http, request, headers)
    if (outcome.error === undefined) return outcome.answer
    if (repeated && outcome.answer?.status === request.doneWhenRepeated && outcome.answer) {
      return outcome.answer
    }
    if (outcome.error.status === 401 && renewable(http, token, refused)) {
      refused = token
      continue
    }
    const again = outcome.unsent || (outcome.passing && request.repeat === 'always')
    if (!again || attempt >= http.options.retries) throw outcome.error
    repeated ||= !outcome.unsent
    await http.pause(attempt, outcome.error, request.signal)
  }
}

/** A token function gets one more chance after a refusal. */
function renewable(http: ImageHttp, token: string | undefined, refused: string | undefined) {
  return typeof http.options.token === 'function' && refused === undefined && token !== undefined
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

async function send(
  http: ImageHttp,
  request: JsonRequest,
  headers: Readonly<Record<string, string>>
): Promise<Outcome> {
  const list = Object.entries(headers).flat()
  const hasBody = request.body !== undefined
  if (hasBody) list.push('content-type', request.contentType ?? 'application/json')
  try {
    const answer = await http.transport.call({
      method: request.method,
      path: request.path,
      headers: list,
      body: hasBody ? JSON.stringify(request.body) : undefined,
      timeoutMs: http.options.timeoutMs,
      signal: request.signal
    })
    const { status } = answer
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) {
      return { answer, error: undefined }
    }
    const error = withRetryAfter(answerToError(answer), answer)
    const passing = status === 502 || status === 504
    return { answer, error, unsent: status === 503, passing }
  } catch (error) {
    if (!(error instanceof TransportError)) throw error
    const passing = error.reason !== 'invalid'
    const unsent = passing && !error.sent
    return { answer: undefined, error: transportToError(error), unsent, passing }
  }
}

const retryAfter = new WeakMap<Error, number>()
const LONGEST_PAUSE_MS = 30_000

/** Remembers how long the server asked to be left alone. */
export function withRetryAfter<E extends Error>(error: E, answer: Pick<Answer, 'headers'>): E {
  const seconds = Number(answer.headers['retry-after'])
  if (Number.isFinite(seconds) && seconds > 0) retryAfter.set(error, seconds * 1_000)
  return error
}

async function pause(
  delayMs: number,
  attempt: number,
  error: unknown,
  signal: AbortSignal | undefined
): Promise<void> {
  const backoff = delayMs * 2 ** attempt * (0.75 + Math.random() / 2)
  const asked = error instanceof Error ? (retryAfter.get(error) ?? 0) : 0
  const wait = Math.min(Math.max(backoff, asked), LONGEST_PAUSE_MS)
  try {
    await sleep(wait, undefined, signal === undefined ? {} : { signal })
  } catch (failure) {
    signal?.throwIfAborted()
    throw failure
  }
}

/** The body of an answer as an object; anything else is no answer of this API. */
export function readObject(answer: Answer): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(answer.body.toString('utf8'))
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return Object.fromEntries(Object.entries(parsed))
    }
  } catch {
    // reported below
  }
  throw new TankClientError('BAD_ANSWER', 'the server sent something that is not a JSON object', {
    status: answer.status
  })
}
