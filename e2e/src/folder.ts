import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './wait.ts'

/** Every file below a folder with its size. A file that goes away meanwhile is left out. */
export function filesIn(folder: string): { path: string; size: number }[] {
  const found: { path: string; size: number }[] = []
  if (!existsSync(folder)) return found
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) continue
    const path = join(entry.parentPath, entry.name)
    try {
      found.push({ path, size: lstatSync(path).size })
    } catch {
      // deleted meanwhile
    }
  }
  return found
}

function bytesIn(folder: string): number {
  return filesIn(folder).reduce((sum, file) => sum + file.size, 0)
}

/** Waits until the files of a folder weigh exactly so much. */
export async function waitForBytes(folder: string, bytes: number, ms: number): Promise<void> {
  await until(`${folder} holds ${bytes} bytes`, ms, () =>
    bytesIn(folder) === bytes ? true : undefined
  ).catch((error: unknown) => {
    const files = filesIn(folder).map((file) => `${file.path} ${file.size}`)
    throw new Error(`${folder} should hold ${bytes} bytes: ${files.join(', ')}`, { cause: error })
  })
}
