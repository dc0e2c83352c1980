import { constants, type FileHandle, lstat, open } from 'node:fs/promises'
import { StoreError } from '@tank/store'
import { errorCode, notFound } from './errors.ts'
import type { Layout, Place } from './layout.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants

export interface OpenImage {
  readonly handle: FileHandle
  readonly size: number
}

/** Opens an image for reading: a plain file with one name, reached through no link. */
export async function openImage(layout: Layout, place: Place): Promise<OpenImage> {
  await layout.enter(place)
  const handle = await openFile(place.final)
  try {
    const { size } = await checkPlain(handle, place)
    return { handle, size }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // O_NONBLOCK: opening a pipe that somebody put there would wait for its writer for ever.
    return await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    throw errorCode(error) === 'ENOENT' ? notFound(error) : error
  }
}

/**
 * A second name means that somebody else can change the bytes. The one that is ours is the
 * temporary name of a put which publishes at this moment, or was killed while it did.
 */
async function checkPlain(handle: FileHandle, { temp }: Place): Promise<{ size: number }> {
  const file = await handle.stat({ bigint: true })
  if (!file.isFile()) throw new StoreError('FAILED', 'there is something else than a file')
  const size = Number(file.size)
  if (file.nlink === 1n) return { size }
  const other = await lstat(temp, { bigint: true }).catch(() => undefined)
  if (file.nlink === 2n && other?.ino === file.ino && other.dev === file.dev) return { size }
  const { nlink } = await handle.stat()
  if (nlink === 1) return { size }
  if (nlink === 0) throw notFound()
  throw new StoreError('FAILED', 'the file of the image has another name as well')
}
