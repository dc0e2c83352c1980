import type { Finding } from './findings.ts'
import type { Appliance } from './formats/ovf-facts.ts'

export const FORMATS = [
  'raw',
  'qcow2',
  'qed',
  'vmdk',
  'vdi',
  'vhd',
  'vhdx',
  'parallels',
  'luks',
  'iso',
  'ova',
  'tar',
  'gzip',
  'xz',
  'zstd',
  'bzip2',
  'lz4',
  'lzop',
  'zip',
  '7z',
  'android-sparse',
  'dmg',
  'vma',
  'wim'
] as const

export type FormatName = (typeof FORMATS)[number]

export type Compression = 'gzip' | 'xz' | 'zstd' | 'bzip2' | 'lz4' | 'lzop' | 'zip' | '7z'

/** `indeterminate`: not all was seen that has to be seen. */
export type Verdict = 'safe' | 'unsafe' | 'indeterminate'

/** A file in an archive. */
export interface Member {
  readonly name: string
  readonly offset: number
  readonly size: number
  /** What it is itself, once it has been seen; descriptions and signatures have none. */
  readonly report?: Report
}

/** What is known of an image. While bytes are still missing it is what is known so far. */
export interface Report {
  /** The true format; `raw` when the bytes are none of the known formats. */
  readonly format: FormatName
  readonly subformat: string | undefined
  /** Bytes that a machine sees. Unknown for archives and compressed files, and above 2^53. */
  readonly virtualSize: number | undefined
  /** What raw bytes hold: `gpt`, `mbr`, the name of a file system or `unknown`. */
  readonly content: string | undefined
  readonly encrypted: boolean
  readonly compressedBy: Compression | undefined
  /** What a compressed file says it holds; a claim, not a fact. */
  readonly declaredSize: number | undefined
  readonly verdict: Verdict
  readonly findings: readonly Finding[]
  /** Bytes of the image, or as many as were seen. */
  readonly size: number
  /** Of archives. */
  readonly members: readonly Member[]
  /** What a compressed file holds, where it was unpacked on the way. */
  readonly inner?: Report
  /** Of appliances: what their description says of the machine. It is nobody's fact. */
  readonly appliance?: Appliance
}
