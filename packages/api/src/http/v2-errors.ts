import { STATUS_CODES } from 'node:http'
import { problemStatus, toTankError } from '@tank/service'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { errorForm, errorPage, HTML_POLICY } from './error-form.ts'
import { escapeHtml } from './html.ts'

/** Statuses that the clients of the Image API v2 expect for codes that have another one inside (E6). */
const V2_STATUS: Readonly<Record<string, number>> = {
  VERSION_CONFLICT: 409,
  REQUEST_TIMEOUT: 400
}

/** An error body as the clients of the Image API v2 read it (E1–E3). */
export function v2ErrorBody(
  status: number,
  message: string,
  accept: string | undefined
): { readonly type: string; readonly body: string } {
  const title = STATUS_CODES[status] ?? 'Error'
  const form = errorForm(accept, 'json')
  if (form === 'html') {
    const body = errorPage(`${status} ${title}`, escapeHtml(message))
    return { type: 'text/html; charset=utf-8', body }
  }
  if (form === 'plain') {
    return { type: 'text/plain; charset=utf-8', body: `${status} ${title}\n\n${message}\n` }
  }
  return {
    type: 'application/json',
    body: JSON.stringify({ error: { code: status, title, message } })
  }
}

/** Error handler of the scope of the Image API v2. */
export function v2ErrorHandler(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply
): void {
  const tank = toTankError(error)
  const status = V2_STATUS[tank.code] ?? problemStatus(tank.code)
  if (status >= 500) request.log.error({ err: error }, 'request failed')
  else request.log.debug({ err: error }, 'request refused')
  const { type, body } = v2ErrorBody(status, tank.message, request.headers.accept)
  if (tank.headers !== undefined) reply.headers(tank.headers)
  if (status === 503) reply.header('retry-after', '5')
  if (type.startsWith('text/html')) reply.header('content-security-policy', HTML_POLICY)
  reply.code(status).header('cache-control', 'no-store').type(type).send(body)
}
