import type { FormatName } from '../../src/index.ts'
import { ova, tar } from './archives.ts'
import { ext, iso, luks1, luks2, parallels, qcow2, qcow2v2, qed, vdi } from './disks.ts'
import type { Layout } from './layout.ts'
import { vhdDynamic, vhdFixed, vhdx } from './microsoft.ts'
import { gpt, mbr } from './tables.ts'
import { vmdk, vmdkStream } from './vmdk.ts'

/** A sound image. */
export interface Sample {
  readonly name: string
  readonly format: FormatName
  readonly bytes: Uint8Array
  /** Where its fields begin and end. */
  readonly edges: readonly number[]
  readonly virtualSize: number | undefined
}

function of(name: string, format: FormatName, layout: Layout, virtualSize?: number): Sample {
  return { name, format, bytes: layout.bytes, edges: layout.edges, virtualSize }
}

function archive(name: FormatName, bytes: Uint8Array): Sample {
  // the fields of the first two headers
  const fields = [0, 100, 108, 116, 124, 136, 148, 156, 157, 257, 263, 265, 297, 329, 337, 345, 500]
  const edges = [...fields, ...fields.map((at) => at + 1024), 512, 1024]
  return { name, format: name, bytes, edges, virtualSize: undefined }
}

export function samples(): readonly Sample[] {
  return [
    of('qcow2', 'qcow2', qcow2(), 1048576),
    of('qcow2 version 2', 'qcow2', qcow2v2(), 1048576),
    of('vmdk', 'vmdk', vmdk(), 1048576),
    of('vmdk stream', 'vmdk', vmdkStream(), 1048576),
    of('vdi', 'vdi', vdi(), 4194304),
    of('vhd fixed', 'vhd', vhdFixed(), 34816),
    of('vhd dynamic', 'vhd', vhdDynamic(), 34816),
    of('vhdx', 'vhdx', vhdx(), 8388608),
    of('qed', 'qed', qed(), 1048576),
    of('parallels', 'parallels', parallels(), 1048576),
    of('luks 1', 'luks', luks1(), 4096),
    of('luks 2', 'luks', luks2(), 8192),
    of('iso', 'iso', iso(), 40960),
    of('mbr', 'raw', mbr(), 32768),
    of('gpt', 'raw', gpt(), 32768),
    of('gpt of a 4096-byte disk', 'raw', gpt(undefined, 4096), 262144),
    of('ext', 'raw', ext(), 8192),
    archive('ova', ova()),
    archive(
      'tar',
      tar([
        { name: 'a', body: 'one' },
        { name: 'b', body: 'two' }
      ])
    )
  ]
}
