import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyInstance } from 'fastify'

const compress = promisify(gzip)
/** Below this many bytes a compressed answer costs more than it saves. */
const WORTHWHILE = 1024

function acceptsGzip(header: string | string[] | undefined): boolean {
  if (typeof header !== 'string') return false
  return header.split(',').some((part) => {
    const [coding = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/)
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))
    return (coding === 'gzip' || coding === '*') && !refused
  })
}

/** Compresses JSON for clients that ask for it (§7.4); image data is never touched. */
export function compressJson(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const isJson = String(reply.getHeader('content-type') ?? '').startsWith('application/json')
    if (!isJson || !(typeof payload === 'string' || Buffer.isBuffer(payload))) return payload
    if (payload.length < WORTHWHILE) return payload
    reply.header('vary', 'Accept-Encoding')
    if (!acceptsGzip(request.headers['accept-encoding'])) return payload
    reply.removeHeader('content-length')
    reply.header('content-encoding', 'gzip')
    return compress(payload)
  })
}
