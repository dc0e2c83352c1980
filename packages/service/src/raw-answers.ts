import type { Duplex } from 'node:stream'
import { TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import { allowedMethods } from './known-paths.ts'
import { problemStatus, problemTitle } from './problem-codes.ts'
import { newRequestId, REQUEST_ID_HEADER } from './request-ids.ts'

interface ParseError extends Error {
  readonly code?: string
  readonly rawPacket?: unknown
}

/** The error shape of the Image API, for answers that no route and no scope renders. */
export function imageApiErrorBody(error: TankError): string {
  return JSON.stringify({
    error: {
      code: problemStatus(error.code),
      title: problemTitle(error.code),
      message: error.message
    }
  })
}

function unknownMethod(app: FastifyInstance, packet: unknown): TankError {
  const start = Buffer.isBuffer(packet) ? packet.toString('latin1', 0, 8192) : ''
  const line = /^[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,31} (\/[\x21-\x7e]*) HTTP\/1\.[01]\r\n/.exec(
    start
  )
  if (line === null) return new TankError('INVALID_REQUEST', 'The request is malformed.')
  const allowed = allowedMethods(app, line[1] ?? '')
  if (allowed.length === 0) {
    return new TankError('METHOD_UNKNOWN', 'The method is not known to this server.')
  }
  return new TankError('METHOD_NOT_ALLOWED', 'The method is not allowed for this resource.', {
    headers: { allow: allowed.join(', ') }
  })
}

function toAnswer(app: FastifyInstance, error: ParseError): TankError {
  switch (error.code) {
    case 'HPE_INVALID_METHOD':
      return unknownMethod(app, error.rawPacket)
    case 'HPE_HEADER_OVERFLOW':
      return new TankError('HEADER_TOO_LARGE', 'The request headers are too large.')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new TankError('REQUEST_TIMEOUT', 'The request headers did not arrive in time.')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new TankError('TOO_LARGE', 'The chunk extensions are too large.')
    default:
      return new TankError('INVALID_REQUEST', 'The request is malformed.')
  }
}

/** Whether the HTTP parser said it; else the connection itself broke, maybe in its TLS handshake. */
function isOfParser({ code = '' }: ParseError): boolean {
  return code.startsWith('HPE_') || code.startsWith('ERR_HTTP_')
}

/** Answers what the HTTP parser refuses, and closes the connection. */
export function answerParseError(app: FastifyInstance, error: ParseError, socket: Duplex): void {
  if (!isOfParser(error) || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  answerRaw(app, toAnswer(app, error), socket, error.code)
}

/** Writes an answer without the framework, and closes the connection. */
export function answerRaw(
  app: FastifyInstance,
  answer: TankError,
  socket: Duplex,
  reason: string | undefined
): void {
  const status = problemStatus(answer.code)
  const body = imageApiErrorBody(answer)
  const requestId = newRequestId()
  app.log.debug({ reason, status, reqId: requestId }, 'malformed request')
  const head = [
    `HTTP/1.1 ${status} ${problemTitle(answer.code)}`,
    ...Object.entries(answer.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    `${REQUEST_ID_HEADER}: ${requestId}`,
    'content-type: application/json; charset=utf-8',
    'cache-control: no-store',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close'
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  // what else the client sends is read and dropped, so that it sees the answer and no reset
  const timer = setTimeout(() => socket.destroy(), 2000)
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', () => socket.destroy())
  socket.resume()
}
