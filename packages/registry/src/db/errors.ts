import { isTankError, TankError } from '@tank/model'

/** SQLSTATEs that say "not now": the same request may succeed a little later or elsewhere. */
const UNAVAILABLE = new Set([
  '25006', // read-only transaction: this server is a replica by now
  '40001', // serialization failure
  '40P01', // deadlock
  '53300', // too many connections
  '55P03', // lock not available
  '57014', // statement timeout
  '57P01', // admin shutdown
  '57P02', // crash shutdown
  '57P03' // cannot connect now
])
const RETRY = new Set(['40001', '40P01'])
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH'
])
/** What pg says in plain words when a connection is lost or cannot be had. */
const LOST = /connection|Client (was closed|has encountered)|timeout exceeded|query read timeout/i

function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** Turns what pg throws into an error with a meaning; what is a fault of ours stays as it is. */
export function toRegistryError(error: unknown): unknown {
  if (isTankError(error) || !(error instanceof Error)) return error
  const code = errorCode(error)
  if (code === '22021' || code === '22P05') {
    return new TankError('INVALID_REQUEST', 'The request has text that cannot be stored.', {
      cause: error
    })
  }
  const unavailable =
    code === undefined
      ? LOST.test(error.message)
      : UNAVAILABLE.has(code) || NETWORK.has(code) || code.startsWith('08')
  if (!unavailable) return error
  return new TankError('REGISTRY_UNAVAILABLE', 'The registry cannot reach its database.', {
    cause: error
  })
}

/** Two transactions got in each other's way: the loser may simply run again. */
export function isConflict(error: unknown): boolean {
  const code = errorCode(isTankError(error) ? error.cause : error)
  return code !== undefined && RETRY.has(code)
}

/** Somebody else held a lock for longer than `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return errorCode(isTankError(error) ? error.cause : error) === '55P03'
}

/** A value that has to be unique is there already. */
export function isDuplicate(error: unknown): boolean {
  return errorCode(error) === '23505'
}
