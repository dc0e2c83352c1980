import { STATUS_CODES } from 'node:http'
import type { TankError } from '@tank/model'
import { problemStatus, toTankError } from '@tank/service'
import { isStoreError, type StoreErrorCode } from '@tank/store'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { errorForm, errorPage, HTML_POLICY } from './error-form.ts'

/** Statuses that clients of the Image API v1 expect for codes that have another one inside. */
const V1_STATUS: Readonly<Record<string, number>> = {
  VERSION_CONFLICT: 409,
  REQUEST_TIMEOUT: 400,
  UNSUPPORTED_MEDIA_TYPE: 400,
  // of uploads: nobody else hears of an image that was deleted meanwhile
  IMAGE_GONE: 412
}

/** What v1 says of a store that failed, where it is not what v2 says. */
const STORE_STATUS: Partial<Readonly<Record<StoreErrorCode, number>>> = {
  DENIED: 403,
  EXISTS: 409,
  NOT_FOUND: 404
}

/** HTTP status of an error in the Image API v1 (1.10, 1.14). */
function v1Status(error: TankError): number {
  const { cause } = error
  const byStore = isStoreError(cause) ? STORE_STATUS[cause.code] : undefined
  return byStore ?? V1_STATUS[error.code] ?? problemStatus(error.code)
}

/** Text in HTML. Apostrophes stay: clients look for words that are quoted with them. */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** An error body as clients of the Image API v1 read it: text, unless they ask for another form by name. */
function v1ErrorBody(
  status: number,
  message: string,
  accept: string | undefined
): { readonly type: string; readonly body: string } {
  const title = STATUS_CODES[status] ?? 'Error'
  const line = `${status} ${title}`
  switch (errorForm(accept, 'plain')) {
    case 'html':
      return { type: 'text/html; charset=utf-8', body: errorPage(line, escapeText(message)) }
    case 'json':
      return { type: 'application/json', body: JSON.stringify({ code: status, title, message }) }
    case 'plain':
      return { type: 'text/plain; charset=utf-8', body: `${line}\n\n${message}\n` }
  }
}

/** Error handler of the scope of the Image API v1. */
export function v1ErrorHandler(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply
): void {
  const tank = toTankError(error)
  const status = v1Status(tank)
  if (status >= 500) request.log.error({ err: error }, 'request failed')
  else request.log.debug({ err: error }, 'request refused')
  const { type, body } = v1ErrorBody(status, tank.message, request.headers.accept)
  if (tank.headers !== undefined) reply.headers(tank.headers)
  if (status === 503) reply.header('retry-after', '5')
  if (type.startsWith('text/html')) reply.header('content-security-policy', HTML_POLICY)
  reply.code(status).header('cache-control', 'no-store').type(type).send(body)
}
