import { open } from 'node:fs/promises'
import { extname } from 'node:path'

/** What a file most likely is. */
export interface Guess {
  readonly disk: string
  readonly container: string
  /** Whether only the name says so, or nothing does. */
  readonly isSure: boolean
}

interface Magic {
  readonly at: number
  readonly bytes: string
  readonly disk: string
}

// beginnings, as the formats' own documents have them
const MAGIC: readonly Magic[] = [
  { at: 0, bytes: 'QFI\u00fb', disk: 'qcow2' },
  { at: 0, bytes: 'KDMV', disk: 'vmdk' },
  { at: 0, bytes: 'COWD', disk: 'vmdk' },
  { at: 0, bytes: '# Disk DescriptorFile', disk: 'vmdk' },
  { at: 0, bytes: 'vhdxfile', disk: 'vhdx' },
  { at: 0, bytes: 'conectix', disk: 'vhd' },
  { at: 0, bytes: 'WithoutFreeSpace', disk: 'ploop' },
  { at: 0, bytes: 'WithouFreSpacExt', disk: 'ploop' },
  { at: 0x40, bytes: '\u007f\u0010\u00da\u00be', disk: 'vdi' },
  { at: 0x8001, bytes: 'CD001', disk: 'iso' }
]
const FOOTER: Magic = { at: 0, bytes: 'conectix', disk: 'vhd' }
const FOOTER_BYTES = 512

const PACKED: readonly (readonly [bytes: string, name: string, tool: string])[] = [
  ['\u001f\u008b', 'gzip', 'gunzip'],
  ['\u00fd7zXZ', 'xz', 'unxz'],
  ['BZh', 'bzip2', 'bunzip2'],
  ['(\u00b5/\u00fd', 'Zstandard', 'unzstd'],
  ['PK\u0003\u0004', 'zip', 'unzip']
]
const EXTENSIONS: Readonly<Record<string, string>> = {
  '.qcow2': 'qcow2',
  '.vmdk': 'vmdk',
  '.vhd': 'vhd',
  '.vpc': 'vhd',
  '.vhdx': 'vhdx',
  '.vdi': 'vdi',
  '.iso': 'iso',
  '.raw': 'raw',
  '.img': 'raw'
}

/** Bytes of the beginning that a guess looks at. */
export const HEAD_BYTES = 0x8001 + 5

const has = (data: Buffer, { at, bytes }: Pick<Magic, 'at' | 'bytes'>) =>
  data.subarray(at, at + bytes.length).equals(Buffer.from(bytes, 'latin1'))

/** The program that unpacks it, when the data is compressed. */
export function packedWith(
  head: Buffer
): { readonly name: string; readonly tool: string } | undefined {
  const found = PACKED.find(([bytes]) => has(head, { at: 0, bytes }))
  return found && { name: found[1], tool: found[2] }
}

/**
 * Guesses the formats of a disk image from its beginning, its last bytes if they are known, and its
 * name.
 */
export function guessFormat(name: string, head: Buffer, tail: Buffer = Buffer.alloc(0)): Guess {
  const extension = extname(name).toLowerCase()
  const isTar = has(head, { at: 257, bytes: 'ustar' })
  if (extension === '.ova' && isTar) return { disk: 'vmdk', container: 'ova', isSure: true }
  const magic = MAGIC.find((each) => has(head, each)) ?? (has(tail, FOOTER) ? FOOTER : undefined)
  if (magic !== undefined) return { disk: magic.disk, container: 'bare', isSure: true }
  const disk = EXTENSIONS[extension]
  return { disk: disk ?? 'raw', container: 'bare', isSure: disk !== undefined }
}

/** Reads what a guess needs of a file. */
export async function readEnds(
  file: string
): Promise<{ readonly head: Buffer; readonly tail: Buffer }> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const read = async (at: number, length: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at)
      return buffer.subarray(0, bytesRead)
    }
    const head = await read(0, HEAD_BYTES)
    return { head, tail: await read(Math.max(0, size - FOOTER_BYTES), FOOTER_BYTES) }
  } finally {
    await handle.close()
  }
}
