import { unlink } from 'node:fs/promises'

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Files of the cache are for nobody else. */
export const PRIVATE = 0o600

/** Whether it can be the id of an image, and so the name of a file. */
export function isImageId(id: string): boolean {
  return ID.test(id)
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

/** Undefined: there is no such file. */
export async function orUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Removes a name; false: there was none. */
export async function removed(path: string): Promise<boolean> {
  return (await orUndefined(unlink(path).then(() => true))) ?? false
}
