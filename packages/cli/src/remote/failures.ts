import { isTankClientError, type TankClientError } from '@tank/client/tank-client'
import { CommandError, EXIT } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import type { Connection } from './connection.ts'

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'

/** The innermost cause that the system named; of several addresses that were tried, the first. */
function systemError(error: unknown): NodeJS.ErrnoException | undefined {
  let found: NodeJS.ErrnoException | undefined
  for (let at = error; at instanceof Error; at = at.cause) {
    if (isSystemError(at) && !isTankClientError(at)) found = at
    const [first]: unknown[] = at instanceof AggregateError ? at.errors : []
    if (isSystemError(first)) found = first
  }
  return found
}

const UNKNOWN_AUTHORITY = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
])

function tlsText(code: string, { url }: Connection): string | undefined {
  if (UNKNOWN_AUTHORITY.has(code)) {
    return (
      `the certificate of ${url} is from an authority that this machine does not know. If it is yours, ` +
      'name its certificate: --cacert FILE or TANK_CACERT.'
    )
  }
  if (code === 'CERT_HAS_EXPIRED') {
    return `the certificate of ${url} has expired. Whoever runs the service has to renew it.`
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${url} is for another name. Use the name that it is for.`
  }
  if (/^ERR_SSL_|^EPROTO$/.test(code)) {
    return `${url} does not speak TLS. Is it http:// instead of https://?`
  }
  return undefined
}

function unreachableText(error: TankClientError, connection: Connection): string {
  const { url, source } = connection
  const { code = '' } = systemError(error) ?? {}
  const { hostname } = new URL(url)
  const tls = tlsText(code, connection)
  if (tls !== undefined) return tls
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `no machine is called ${hostname} (${source}). Is the address right?`
  }
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)
  const next = isHere
    ? 'Start one with tank serve, or name another with --url, TANK_URL or tank login.'
    : 'Is it running, and is the address right?'
  return `no service answers at ${url} (${source}). ${next}`
}

function refusedText({ message, status }: TankClientError, connection: Connection): string {
  const { url, tokenSource, auth } = connection
  if (status === 403) return `${url} does not allow it: ${message}`
  if (tokenSource === undefined) {
    return `${url} wants to know who you are. Use tank login, or set TANK_TOKEN or OS_AUTH_URL and its companions.`
  }
  if (auth !== undefined) {
    return `${url} refuses the token that ${tokenSource} gives. Does it know that identity service?`
  }
  return `${url} refuses the token of ${tokenSource}: it is wrong or has ended. Get a new one: tank login.`
}

function localText(error: TankClientError, verb: 'read' | 'written'): string {
  const { code, path, message } = systemError(error) ?? {}
  const what = path === undefined ? 'what was to be written' : path
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return `the disk is full: ${what} could not be ${verb}. Make room, or choose another place with -o.`
  }
  if (code === 'EFBIG') {
    return `${what} may not be larger here: the file system or a limit of this shell (ulimit -f) forbids it.`
  }
  if (code === 'ENOENT') return `there is no ${path}.`
  if (code === 'EACCES' || code === 'EPERM') return `this user may not have ${path} ${verb}.`
  if (code === 'EPIPE') return 'whoever read the bytes stopped reading.'
  return message === undefined ? error.message : `${error.message}: ${message}`
}

function textOf(error: TankClientError, connection: Connection): [code: number, text: string] {
  const { url } = connection
  const { code, status, message } = error
  if (code === 'UNREACHABLE' || code === 'CERTIFICATE_REFUSED') {
    return [EXIT.unreachable, unreachableText(error, connection)]
  }
  if (code === 'TIMEOUT' || code === 'CONNECTION_CLOSED') {
    return [EXIT.unreachable, `${url} went away: ${message}. Trying again does no harm.`]
  }
  if (status === 401 || status === 403) return [EXIT.refused, refusedText(error, connection)]
  if (status === 404 || code === 'IMAGE_NOT_FOUND') return [EXIT.notFound, message]
  if (status === 413) {
    return [
      EXIT.failed,
      `${url} has no room for it: ${message}. Delete images that are not needed, or ask for more room.`
    ]
  }
  if (code === 'SOURCE_FAILED') return [EXIT.failed, localText(error, 'read')]
  if (code === 'TARGET_FAILED') return [EXIT.failed, localText(error, 'written')]
  if (code === 'BAD_ANSWER') {
    return [EXIT.failed, `what answers at ${url} is no image service: ${message}.`]
  }
  return [EXIT.failed, message]
}

/** A failed call as people and scripts can use it: cause, next step, exit code. */
export function toCommandError(error: unknown, connection: Connection): unknown {
  if (!isTankClientError(error)) return error
  const [exitCode, said] = textOf(error, connection)
  const { status = 0, requestId } = error
  const request = status >= 500 && requestId !== undefined ? ` (request ${requestId})` : ''
  return new CommandError(exitCode, printable(said) + printable(request))
}
