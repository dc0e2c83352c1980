import {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  LogController
} from 'fastify'
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import { redactUrls } from './redact.ts'

const SECRET_HEADERS = [
  'authorization',
  'cookie',
  'set-cookie',
  'x-auth-token',
  'x-service-token',
  'x-storage-token',
  'proxy-authorization',
  'x-image-meta-location'
]
const SECRET_KEYS = ['password', 'secret', 'token', 'accessKey', 'secretKey', 'databaseUrl']
const OTHER_ERRORS: ReadonlySet<string> = new Set(['cause', 'aggregateErrors'])

/** What an error says, and its causes. What hangs on it, a client or a request, may hold credentials. */
function scrub(item: unknown): unknown {
  if (typeof item === 'string') return redactUrls(item)
  if (Array.isArray(item)) return item.map(scrub)
  if (typeof item !== 'object' || item === null) return item
  const said = Object.entries(item).filter(
    ([key, entry]) =>
      OTHER_ERRORS.has(key) || (typeof entry !== 'object' && !SECRET_KEYS.includes(key))
  )
  return Object.fromEntries(said.map(([key, entry]) => [key, scrub(entry)]))
}

function redactError(value: unknown): unknown {
  return value instanceof Error ? scrub(pino.stdSerializers.errWithCause(value)) : value
}

/** What every logger of Tank has in common: no credentials in headers, options, errors or URLs. */
export const LOGGER_OPTIONS: LoggerOptions = {
  serializers: {
    err: redactError,
    req: (request: { method?: string; url?: string; ip?: string }) => ({
      method: request.method,
      url: redactUrls(request.url ?? ''),
      remoteAddress: request.ip
    }),
    res: (reply: { statusCode?: number }) => ({ statusCode: reply.statusCode })
  },
  redact: {
    paths: [
      ...SECRET_HEADERS.flatMap((name) => [`headers["${name}"]`, `*.headers["${name}"]`]),
      ...SECRET_KEYS.flatMap((name) => [name, `*.${name}`])
    ],
    censor: '***'
  }
}

/** A JSON logger with Tank's redaction. */
export function createLogger(options: LoggerOptions = {}, destination?: DestinationStream): Logger {
  const all = { ...LOGGER_OPTIONS, ...options }
  return destination === undefined ? pino(all) : pino(all, destination)
}

/** Makes lines of a logger that hold nothing secret by their making, and so need no redaction. */
interface Unredacted extends FastifyBaseLogger {
  child(bindings: object, options?: { redact?: string[] }): FastifyBaseLogger
}

function showsDebug(level: string): boolean {
  return level === 'debug' || level === 'trace'
}

/** One line for each answered request, instead of the two of the framework. */
export class AccessLog extends LogController {
  readonly #level: 'info' | 'debug'
  #log: FastifyBaseLogger | undefined

  constructor(level: 'info' | 'debug') {
    super()
    this.#level = level
  }

  override incomingRequest(): void {}
  override defaultErrorLog(): void {}
  override routeNotFound(): void {}

  override requestCompleted(
    error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply
  ): void {
    if (!error && this.#level === 'debug' && !showsDebug(request.log.level)) return
    const line = {
      reqId: request.id,
      method: request.method,
      url: redactUrls(request.originalUrl),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      from: request.ip
    }
    this.#log ??= (request.server.log as Unredacted).child({}, { redact: [] })
    if (error) this.#log.warn({ ...line, err: error }, 'answer was cut off')
    else this.#log[this.#level](line, 'request')
  }
}
