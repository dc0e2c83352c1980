import { randomBytes } from 'node:crypto'
import { type FileHandle, lstat, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { TankClientError } from '../errors.ts'

/** A file under another name, beside the one that it is to become. */
export interface NewFile {
  readonly path: string
  readonly handle: FileHandle
  /** Flushes the bytes and gives them the name of the file. */
  publish(): Promise<void>
  close(): Promise<void>
  discard(): Promise<void>
}

/** Makes an empty file under a name that nobody else uses. */
export async function openNewFile(file: string): Promise<NewFile> {
  const path = resolve(randomName(file, 'part'))
  return toNewFile(file, path, await open(path, 'wx+'))
}

/** A name beside `path` that nobody else uses. */
export function randomName(path: string, ending: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.${ending}`
}

export function toNewFile(file: string, path: string, handle: FileHandle): NewFile {
  return {
    path,
    handle,
    async publish() {
      await handle.sync()
      const [mine, named] = await Promise.all([handle.stat(), lstat(path)])
      if (mine.ino !== named.ino || mine.dev !== named.dev) {
        throw new TankClientError('TARGET_FAILED', `another program has replaced ${path}`)
      }
      await handle.close()
      await rename(path, file)
      await syncFolder(dirname(file))
    },
    close: () => handle.close(),
    async discard() {
      await handle.close()
      await rm(path, { force: true })
    }
  }
}

/** A rename would put a plain file in the place of a device, a pipe or a folder. */
export async function refuseSpecialFiles(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found !== undefined && !found.isFile()) {
    throw new TankClientError('TARGET_FAILED', `${file} is not a plain file`)
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Not every system lets a folder be opened or synced; the bytes themselves are safe by now.
  const handle = await open(folder, 'r').catch(() => undefined)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}
