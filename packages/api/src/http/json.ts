import { TankError } from '@tank/model'
import { parseJson } from '@tank/service'

/**
 * Parses the body of a request (G3): UTF-8 JSON, an object or an array. Any key is legal in it, also
 * `__proto__`, since images may have such properties (N7): read it by its entries only.
 */
export function parseJsonBody(body: unknown): object {
  if (!Buffer.isBuffer(body) || body.length === 0) {
    throw new TankError('INVALID_REQUEST', 'A JSON body is required')
  }
  const value = parseJson(body, { allowPrototypeKeys: true })
  if (typeof value !== 'object' || value === null) {
    throw new TankError('INVALID_REQUEST', 'The body must be a JSON object or array')
  }
  return value
}

/** Parses the body of a request that has to be a JSON object. */
export function parseJsonObject(body: unknown): Readonly<Record<string, unknown>> {
  const value = parseJsonBody(body)
  if (Array.isArray(value)) {
    throw new TankError('INVALID_REQUEST', 'The body must be a JSON object')
  }
  return value as Readonly<Record<string, unknown>>
}
