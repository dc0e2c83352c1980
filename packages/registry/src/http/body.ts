import { isStorableText, TankError } from '@tank/model'
import { parseJson } from '@tank/service'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Only escapes can bring NUL or half a surrogate pair into a body that is valid UTF-8. */
const SUSPECT = /\\u(?:0000|d[89a-f])/i

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return isStorableText(value)
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) return value.every(isStorable)
  return Object.entries(value).every(([key, item]) => isStorableText(key) && isStorable(item))
}

/**
 * Parses bodies. `__proto__` is a legal name of an image property: values stay own keys of what
 * JSON.parse made, and the schemas refuse the name everywhere else.
 */
export function installBodies(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => {
      if (body.length === 0) return undefined
      const value = parseJson(body, { allowPrototypeKeys: true })
      if (SUSPECT.test(body.toString('utf8')) && !isStorable(value)) {
        throw new TankError('INVALID_REQUEST', 'The request has text that cannot be stored.')
      }
      return value
    }
  )
}
