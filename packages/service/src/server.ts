import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { TankError } from '@tank/model'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions
} from 'fastify'
import { holdContinue, installContinue } from './expect-continue.ts'
import { bodyRateGuard } from './flow-guards.ts'
import { parseJson } from './json.ts'
import { rememberPaths } from './known-paths.ts'
import { installLinger } from './linger.ts'
import { AccessLog, LOGGER_OPTIONS } from './logging.ts'
import { problemStatus } from './problem-codes.ts'
import { answerParseError, answerRaw, imageApiErrorBody } from './raw-answers.ts'
import { checkHeaders, checkUrl, type HeaderLimits } from './request-checks.ts'
import { installRequestIds, REQUEST_ID_HEADER } from './request-ids.ts'
import type { ServerTls } from './tls/server-tls.ts'
import { toTankError } from './to-tank-error.ts'

export interface ServerOptions {
  readonly logger?: FastifyServerOptions['logger'] | FastifyBaseLogger
  /** Level of the line that each answered request leaves in the log. */
  readonly accessLogLevel?: 'info' | 'debug'
  /** Limit of bodies that are parsed, in bytes: 1 MiB. */
  readonly bodyLimit?: number
  /** What the HTTP parser accepts, in bytes: 16 KiB. */
  readonly maxHeaderSize?: number
  /** Stricter or wider limits for some URLs, as `rewriteUrl` has made them. Default: `maxHeaderSize` and 100 lines. */
  readonly headerLimits?: (url: string) => HeaderLimits
  /** Characters of a query string: 4096. */
  readonly maxQueryLength?: number
  /** Addresses and CIDR ranges whose `X-Forwarded-*` headers are believed; none by default. */
  readonly trustedProxies?: readonly string[]
  /** Maps the target of a request onto the routes; the log and the checks keep the original. */
  readonly rewriteUrl?: (request: IncomingMessage) => string
  /** Milliseconds for a client to send its headers: 20 000. */
  readonly headersTimeoutMs?: number
  /** Milliseconds that an idle connection is kept: 75 000. */
  readonly keepAliveTimeoutMs?: number
  /** HTTPS with this certificate instead of HTTP; it is closed with the app. */
  readonly tls?: ServerTls | undefined
}

function isLogger(value: ServerOptions['logger']): value is FastifyBaseLogger {
  return typeof value === 'object' && value !== null && 'child' in value
}

function loggerOptions(logger: ServerOptions['logger']): Partial<FastifyServerOptions> {
  if (logger === undefined || logger === false) return { logger: false }
  if (isLogger(logger)) return { loggerInstance: logger }
  return { logger: { ...LOGGER_OPTIONS, ...(logger === true ? {} : logger) } }
}

/** Answers what the framework refuses before any scope is known. */
function answerFrameworkError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const tankError = toTankError(error)
  reply
    .code(problemStatus(tankError.code))
    .headers({ [REQUEST_ID_HEADER]: request.id, 'cache-control': 'no-store' })
    .type('application/json; charset=utf-8')
    .send(imageApiErrorBody(tankError))
}

const noTunnels = () => new TankError('METHOD_UNKNOWN', 'The method is not known to this server.')

function useStrictJson(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) =>
      body.length === 0 ? undefined : parseJson(body)
  )
}

/** Bodies that are parsed have to arrive at the usual rate; upload routes guard their own. */
function guardParsedBodies(app: FastifyInstance): void {
  app.addHook('preParsing', async (request, _reply, payload) => {
    const { lateContinue, ownRate } = request.routeOptions.config
    const isOurs = !request.is404 && lateContinue !== true && ownRate !== true
    if (isOurs && request.raw.complete === false) {
      const { signal } = bodyRateGuard(request)
      signal.addEventListener('abort', () => request.raw.destroy(signal.reason))
    }
    return payload
  })
}

type Handler = Parameters<typeof createHttpServer>[1]

/** A server of Node with Tank's limits, for HTTP or HTTPS. */
function openNodeServer(handler: Handler, maxHeaderSize: number, options: ServerOptions): Server {
  const { headersTimeoutMs = 20_000, keepAliveTimeoutMs = 75_000, tls } = options
  const limits = {
    maxHeaderSize,
    requestTimeout: 0,
    headersTimeout: headersTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 2000,
    requireHostHeader: false,
    noDelay: true
  }
  if (tls === undefined) return createHttpServer(limits, handler)
  const server = createHttpsServer(
    { ...limits, ...tls.options(), handshakeTimeout: headersTimeoutMs },
    handler
  )
  tls.follow(server)
  return server
}

/**
 * A Fastify app with Tank's HTTP rules: request ids, strict URLs and headers, no limit on the time
 * of a request but on headers and rates, one log line a request. It renders no errors of its own:
 * register `problems` or a renderer in each scope.
 */
export function createServer(options: ServerOptions = {}): FastifyInstance {
  const maxHeaderSize = options.maxHeaderSize ?? 16_384
  const defaultLimits: HeaderLimits = { bytes: maxHeaderSize, count: 100 }
  const maxQueryLength = options.maxQueryLength ?? 4096
  let servers = 0
  const app: FastifyInstance = Fastify({
    ...loggerOptions(options.logger),
    logController: new AccessLog(options.accessLogLevel ?? 'info'),
    bodyLimit: options.bodyLimit ?? 1_048_576,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false, caseSensitive: true },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: true } },
    ...(options.trustedProxies === undefined || options.trustedProxies.length === 0
      ? {}
      : { trustProxy: [...options.trustedProxies] }),
    ...(options.rewriteUrl === undefined
      ? {}
      : { rewriteUrl: (request: IncomingMessage) => options.rewriteUrl?.(request) ?? '/' }),
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: (error, socket) => answerParseError(app, error, socket),
    serverFactory: (handler): Server => {
      const server = openNodeServer(handler, maxHeaderSize, options)
      // Node would drop the lines above its limit silently; `checkHeaders` counts instead
      server.maxHeadersCount = 0
      holdContinue(server)
      server.on('connect', (_request, socket) => answerRaw(app, noTunnels(), socket, 'CONNECT'))
      server.on('checkExpectation', (request, response) =>
        server.emit('request', request, response)
      )
      // the framework looks after the parse errors of its first server only
      if (servers++ > 0) {
        server.on('clientError', (error, socket) => answerParseError(app, error, socket))
      }
      return server
    }
  })
  rememberPaths(app)
  installRequestIds(app)
  app.addHook('onRequest', async (request) => {
    checkHeaders(request.raw, options.headerLimits?.(request.url) ?? defaultLimits)
    checkUrl(request.originalUrl, maxQueryLength)
  })
  app.addHook('onClose', async () => options.tls?.close())
  installContinue(app)
  installLinger(app)
  guardParsedBodies(app)
  useStrictJson(app)
  return app
}
