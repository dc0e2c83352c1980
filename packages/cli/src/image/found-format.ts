import { type Compression, createInspector, type Report } from '@tank/inspect'

/** Formats to declare. */
export interface FoundFormat {
  readonly disk_format: string
  readonly container_format: string
}

/** Bytes of the beginning in which every header lies. */
export const HEAD_BYTES = 68 * 1024

const DISKS: readonly string[] = ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'iso']
const UNPACK: Readonly<Record<Compression, string>> = {
  gzip: 'gunzip',
  xz: 'unxz',
  zstd: 'unzstd',
  bzip2: 'bunzip2',
  lz4: 'unlz4',
  lzop: 'lzop -d',
  zip: 'unzip',
  '7z': '7z x'
}

/** What can be told of an image whose first bytes are these, and perhaps all. */
export function inspectHead(head: Uint8Array, isWhole: boolean): Report {
  const inspector = createInspector()
  inspector.push(head)
  if (isWhole) inspector.end()
  return inspector.report()
}

/** The program that unpacks it, when it is compressed. */
export function packedWith({
  compressedBy
}: Report): { readonly name: string; readonly tool: string } | undefined {
  return compressedBy && { name: compressedBy, tool: UNPACK[compressedBy] }
}

/** What an image is to be declared as; undefined when its end would have to be seen. */
export function foundFormat(report: Report): FoundFormat | undefined {
  const { format, verdict, members } = report
  if (format === 'ova') {
    const disk = members.find(
      (one) => one.report !== undefined && DISKS.includes(one.report.format)
    )
    return { disk_format: disk?.report?.format ?? 'vmdk', container_format: 'ova' }
  }
  if (format === 'parallels') return { disk_format: 'ploop', container_format: 'bare' }
  if (format === 'raw' && verdict === 'indeterminate') return undefined
  return { disk_format: DISKS.includes(format) ? format : 'raw', container_format: 'bare' }
}
