import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { OVF, ova, pax, tar } from '../samples/archives.ts'
import { qcow2 } from '../samples/disks.ts'
import { samples } from '../samples/index.ts'
import { vmdk } from '../samples/vmdk.ts'
import { zip } from '../samples/zip.ts'

export interface Seed {
  readonly bytes: Uint8Array
  /** Where it is worth to change something. */
  readonly edges: readonly number[]
}

const FILE_EDGES = [0, 4, 8, 16, 20, 24, 32, 40, 48, 56, 64, 72, 104, 257, 446, 510, 512, 1024]
const MOST_BYTES = 512 * 1024

/** Images to begin with: the samples, some in each other, and the smaller ones of a folder. */
export function seeds(folder: string | undefined): Seed[] {
  const inner = qcow2().bytes
  const made = [
    ova(OVF, [
      { name: 'disk.vmdk', body: gzipSync(inner) },
      { name: 'b', body: vmdk().bytes }
    ]),
    // each dangerous in one way, which a change may hide
    ova(OVF.replace('ovf:href="disk.vmdk"', `a=" href='" href="/etc/x" b="'"`), [
      { name: '" href="/etc/x" b="', body: inner }
    ]),
    ova(OVF, [pax({ path: '../b' }), { name: 'l', type: 'L', body: 'disk.vmdk' }, { name: 'a' }]),
    ova(OVF, [pax({ path: 'disk.vmdk' }), { name: '../b' }]),
    ova(OVF, [{ name: 'disk.vmdk' }, { name: 'b/', body: tar([{ name: 'b', type: '2' }]) }]),
    ova(OVF, [{ name: 'disk.vmdk' }, { name: 'b', body: qcow2((it) => it.u64(8, 512)).bytes }]),
    tar([
      pax({ path: 'a/b', size: '4' }),
      { name: 'a', body: 'four' },
      { name: 'b', type: 'L', body: 'long' },
      { name: 'c' }
    ]),
    gzipSync(inner),
    gzipSync(vmdk().bytes),
    Buffer.concat([gzipSync('hello'), gzipSync(inner)]),
    zip(inner),
    zip(inner, { method: 0 }),
    new Uint8Array(0)
  ]
  const files = ['good', 'hostile'].flatMap((kind) => filesOf(folder && join(folder, kind)))
  return [
    ...samples().map(({ bytes, edges }) => ({ bytes, edges })),
    ...[...made, ...files].map((bytes) => ({ bytes, edges: FILE_EDGES }))
  ]
}

function filesOf(folder: string | undefined): Uint8Array[] {
  if (folder === undefined) return []
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).size <= MOST_BYTES)
    .map((path) => readFileSync(path))
}
