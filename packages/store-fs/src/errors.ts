import { constants } from 'node:os'
import { isStoreError, StoreError, type StoreErrorCode } from '@tank/store'

// Node has no name for some errors, EDQUOT among them, and gives only their number.
const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

const meanings: Readonly<Record<string, readonly [StoreErrorCode, string]>> = {
  ENOSPC: ['FULL', 'the file system is full'],
  EDQUOT: ['FULL', 'the disk quota is used up'],
  EFBIG: ['TOO_LARGE', 'the file system takes no file of this size'],
  EACCES: ['DENIED', 'the file system refuses access'],
  EPERM: ['DENIED', 'the file system refuses the operation'],
  EROFS: ['DENIED', 'the file system is read-only'],
  EIO: ['FAILED', 'the device reports an error'],
  ELOOP: ['FAILED', 'there is a symbolic link where the store keeps no links'],
  ENOTSUP: ['UNSUPPORTED', 'the file system lacks an operation that the store needs'],
  ENOSYS: ['UNSUPPORTED', 'the file system lacks an operation that the store needs'],
  // A network file system or a device that went away may come back.
  ESTALE: ['UNAVAILABLE', 'the file system has gone away'],
  ENOTCONN: ['UNAVAILABLE', 'the file system has gone away'],
  EHOSTDOWN: ['UNAVAILABLE', 'the file system has gone away'],
  ETIMEDOUT: ['UNAVAILABLE', 'the file system does not answer'],
  ENODEV: ['UNAVAILABLE', 'the file system has gone away'],
  ENXIO: ['UNAVAILABLE', 'the file system has gone away'],
  EMFILE: ['UNAVAILABLE', 'too many files are open'],
  ENFILE: ['UNAVAILABLE', 'too many files are open']
}

/** What a failure of the file system means to the user of a store. */
export function toStoreError(cause: unknown, fallback = 'the file system failed'): StoreError {
  if (isStoreError(cause)) return cause
  const [code, message] = meanings[errorCode(cause) ?? ''] ?? ['FAILED', fallback]
  return new StoreError(code, `${message}${whereabouts(cause)}`, { cause })
}

/** Says to the operator which call on which path it was. */
function whereabouts(error: unknown): string {
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException
  const parts = [syscall, path].filter((part) => part !== undefined)
  return parts.length === 0 ? '' : ` (${parts.join(' ')})`
}

export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, errno } = error as NodeJS.ErrnoException
  return code?.startsWith('Unknown') ? names.get(-(errno ?? 0)) : code
}

export function notFound(cause?: unknown): StoreError {
  return new StoreError('NOT_FOUND', 'there is no image at this key', { cause })
}
