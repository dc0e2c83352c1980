import type { Format } from '../format.ts'
import { COMPRESSED } from './compressed.ts'
import { fileSystems } from './file-systems.ts'
import { iso } from './iso.ts'
import { luks } from './luks.ts'
import { OTHERS } from './others.ts'
import { parallels } from './parallels.ts'
import { partitions } from './partitions.ts'
import { qcow2 } from './qcow2.ts'
import { qed } from './qed.ts'
import { ova, tar } from './tar.ts'
import { vdi } from './vdi.ts'
import { vhd } from './vhd.ts'
import { vhdx } from './vhdx.ts'
import { vmdk } from './vmdk.ts'

/** Every format that bytes may claim to be. All are asked: two answers make an image unsafe. */
export const KNOWN_FORMATS: readonly Format[] = [
  qcow2,
  vmdk,
  vdi,
  vhd,
  vhdx,
  qed,
  parallels,
  luks,
  iso,
  ova,
  tar,
  ...COMPRESSED,
  ...OTHERS
]

/** What raw bytes may hold. */
export const CONTENTS: readonly Format[] = [partitions, fileSystems]
