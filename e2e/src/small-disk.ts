import { execFileSync } from 'node:child_process'
import type { Test } from 'tap'
import { type Missing, missingRoot } from './require.ts'
import { tempFolder } from './tank.ts'

/** What is missing to mount a small disk. */
export function missingMounts(): Missing {
  const missing = missingRoot()
  if (missing !== undefined) return missing
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'no right to mount a tmpfs'
  }
}

/** A folder of so many MiB, gone after the test. */
export async function smallDisk(t: Test, megabytes: number): Promise<string> {
  const folder = await tempFolder(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tank', folder])
  t.teardown(() => void execFileSync('umount', ['-l', folder]))
  return folder
}
