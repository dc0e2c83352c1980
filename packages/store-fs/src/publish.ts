import { constants, type FileHandle, link, lstat, open, unlink } from 'node:fs/promises'
import { StoreError } from '@tank/store'
import { errorCode } from './errors.ts'
import type { Layout, Place } from './layout.ts'
import type { Settings } from './options.ts'

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
const PRIVATE = 0o600

/** Opens the file that a put writes to; nobody else can be writing to it. */
export async function createTemp({ final, temp }: Place): Promise<FileHandle> {
  // Asked first, so that a taken key costs no upload. `link` decides in the end.
  if (await exists(final)) throw taken()
  try {
    return await open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    const message = 'another put of this key runs or was killed: delete the key first'
    throw new StoreError('EXISTS', message, { cause: error })
  }
}

/**
 * Gives a written file its final name, and survives a power cut from here on. `link` refuses a
 * taken name, which `rename` would overwrite.
 */
export async function publish(
  handle: FileHandle,
  place: Place,
  layout: Layout,
  settings: Settings,
  signal: AbortSignal | undefined
): Promise<void> {
  if (settings.fileMode !== PRIVATE) await handle.chmod(settings.fileMode)
  if (settings.fsync) await handle.datasync()
  // From `link` on the image is there, and an abort comes too late.
  signal?.throwIfAborted()
  await addName(place.temp, place.final)
  try {
    // Without a name of its own the file was deleted while it was written, and what has been
    // published belongs to a later put of the key.
    if ((await handle.stat()).nlink === 0) throw deleted()
    await handle.close()
    await removeFile(place.temp)
    await layout.flush(place.dir)
  } catch (error) {
    await removeFile(place.final)
    throw error
  }
}

/** Gives a file a second name, which must be free. */
export async function addName(path: string, name: string): Promise<void> {
  await link(path, name).catch((error: unknown) => {
    throw linkError(error)
  })
}

export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error
  })
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

function linkError(error: unknown): unknown {
  switch (errorCode(error)) {
    case 'EEXIST':
      return taken(error)
    case 'ENOENT':
      return deleted(error)
    case 'EPERM':
      return new StoreError('UNSUPPORTED', 'the file system has no hard links', { cause: error })
    default:
      return error
  }
}

function taken(cause?: unknown): StoreError {
  return new StoreError('EXISTS', 'there is already an image at this key', { cause })
}

function deleted(cause?: unknown): StoreError {
  return new StoreError('FAILED', 'the key was deleted while its image was written', { cause })
}
