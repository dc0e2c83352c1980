import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const LIMITS = ['--as=1073741824', '--cpu=10', '--fsize=16777216', '--']

interface QemuInfo {
  readonly format: string
  readonly size: number
  /** It says that another file belongs to it. */
  readonly isFollowing: boolean
}

/** What qemu-img says of a file, kept within limits; undefined when it cannot open it. */
export function qemuInfo(path: string, format?: string): QemuInfo | undefined {
  const asked = format === undefined ? [] : ['-f', format]
  const command = [...LIMITS, 'qemu-img', 'info', '--output=json', ...asked, path]
  const { status, stdout } = spawnSync('prlimit', command, { encoding: 'utf8', timeout: 30_000 })
  if (status !== 0) return undefined
  const said = JSON.parse(stdout)
  const specific = said['format-specific']?.data ?? {}
  const extents: readonly { readonly filename?: string }[] = specific.extents ?? []
  return {
    format: said.format,
    size: said['virtual-size'],
    isFollowing:
      said['backing-filename'] !== undefined ||
      specific['data-file'] !== undefined ||
      extents.some(({ filename }) => filename !== undefined && filename !== path)
  }
}

/** Whether qemu, which looks for itself what the format is, would open another file for this one. */
export function qemuFollows(bytes: Uint8Array): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'tank-qemu-'))
  try {
    const path = join(folder, 'image')
    writeFileSync(path, bytes)
    return qemuInfo(path)?.isFollowing === true
  } finally {
    rmSync(folder, { recursive: true })
  }
}
