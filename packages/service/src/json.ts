import { TankError } from '@tank/model'

export interface ParseJsonOptions {
  /** Levels of arrays and objects inside each other. */
  readonly maxDepth?: number
  /** Accept `__proto__` and `constructor` as keys: only for who keeps them in a Map or checks them. */
  readonly allowPrototypeKeys?: boolean
}

const decoder = new TextDecoder('utf-8', { fatal: true })
const SUSPECT = /"(?:_|\\u005[fF])|"(?:c|\\u0063)(?:o|\\u006[fF])/

function checkDepth(text: string, maxDepth: number): void {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (inString) {
      if (char === 0x5c) i++
      else if (char === 0x22) inString = false
    } else if (char === 0x22) inString = true
    else if (char === 0x7b || char === 0x5b) {
      depth++
      if (depth > maxDepth) {
        throw new TankError('INVALID_REQUEST', 'The request body is nested too deeply.')
      }
    } else if (char === 0x7d || char === 0x5d) depth--
  }
}

function checkKeys(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) checkKeys(item)
  else if (typeof value === 'object' && value !== null) {
    if (Object.hasOwn(value, '__proto__') || Object.hasOwn(value, 'constructor')) {
      throw new TankError('INVALID_REQUEST', 'The request body has a forbidden key.')
    }
    for (const item of Object.values(value)) checkKeys(item)
  }
}

/** Parses a JSON request body: UTF-8, bounded depth, no keys that reach for prototypes. */
export function parseJson(body: Uint8Array | string, options: ParseJsonOptions = {}): unknown {
  let text: string
  let value: unknown
  try {
    text = typeof body === 'string' ? body : decoder.decode(body)
  } catch (cause) {
    throw new TankError('INVALID_REQUEST', 'The request body is not valid UTF-8.', { cause })
  }
  checkDepth(text, options.maxDepth ?? 32)
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TankError('INVALID_REQUEST', 'The request body is not valid JSON.', { cause })
  }
  if (options.allowPrototypeKeys !== true && SUSPECT.test(text)) checkKeys(value)
  return value
}
