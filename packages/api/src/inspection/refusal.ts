import type { Finding, FindingCode } from '@tank/inspect'
import { TankError } from '@tank/model'

const FLATTEN = 'Flatten it, for instance with `qemu-img convert`, and upload the result.'
const CONVERT = 'Convert it anew, for instance with `qemu-img convert`, and upload the result.'
const FETCH = 'It is probably cut off: compare it with its source, and upload it again.'
const REPAIR = 'Close or repair it where it was made, and upload it again.'
const ONE_FORMAT = 'Convert it into a single format, and upload the result.'
const TABLE = 'Repair its partition table, or ask the operator to make the check `mbr` non-fatal.'
const PACK = 'Pack the appliance again: the .ovf first, then only files that it names.'

/** What helps against a finding; anything else is converted anew. */
const ADVICE: Readonly<Partial<Record<FindingCode, string>>> = {
  QCOW2_BACKING_FILE: FLATTEN,
  QCOW2_DATA_FILE: FLATTEN,
  QCOW2_CORRUPT: REPAIR,
  QCOW2_DIRTY: REPAIR,
  QCOW2_SNAPSHOTS: FLATTEN,
  VMDK_EXTERNAL_EXTENT: FLATTEN,
  VMDK_PARENT: FLATTEN,
  VMDK_SUBFORMAT: 'Convert it to monolithicSparse or streamOptimized, and upload the result.',
  VMDK_UNCLEAN: REPAIR,
  VDI_DIFFERENCING: FLATTEN,
  VHD_DIFFERENCING: FLATTEN,
  VHDX_PARENT: FLATTEN,
  VHDX_DIRTY_LOG: REPAIR,
  PARALLELS_IN_USE: REPAIR,
  LUKS_VERSION: 'Only LUKS version 1 is accepted.',
  MBR_BOOT_FLAG: TABLE,
  MBR_PROTECTIVE: TABLE,
  MBR_EMPTY: TABLE,
  TAR_HEADER: PACK,
  TAR_LINK: PACK,
  TAR_TRAVERSAL: PACK,
  TAR_DUPLICATE: PACK,
  TAR_MEMBERS: PACK,
  OVF_SYNTAX: PACK,
  OVF_EXTERNAL: PACK,
  OVF_DTD: PACK,
  POLYGLOT: ONE_FORMAT,
  VIRTUAL_SIZE_CAP: 'Shrink its disk, and upload the result.',
  TRUNCATED: FETCH,
  OFFSET_BEYOND_EOF: FETCH,
  INSPECTOR_FAILED: 'Tell the operator.'
}

const SHOWN = 3

function refused(message: string): TankError {
  return new TankError('IMAGE_REFUSED', message)
}

function sentence({ code, offset, message, member }: Finding): string {
  const where = member === undefined ? '' : ` of member ${member}`
  return `${code} at byte ${offset}${where} (${message})`
}

/** The refusal of an image that is not safe to open; names the first findings and what helps (F12). */
export function unsafeImage(findings: readonly Finding[]): TankError {
  const [first] = findings
  const more = findings.length > SHOWN ? ` and ${findings.length - SHOWN} more` : ''
  const said = findings.slice(0, SHOWN).map(sentence).join(', ')
  const advice = (first === undefined ? undefined : ADVICE[first.code]) ?? CONVERT
  return refused(`Image failed safety checks: ${said}${more}. ${advice}`)
}

/** The refusal of an image whose bytes are not what was said of them (F6). */
export function wrongFormat(declared: string, found: string): TankError {
  return refused(
    `Image disk_format ${declared} does not match stream data ${found} (FORMAT_MISMATCH). Set disk_format to what the data is, or upload other data.`
  )
}

/** QED is given up by its makers, and never accepted (F8). */
export function qedImage(): TankError {
  return refused(
    `Image failed safety checks: QED_FORMAT at byte 0 (is in the format QED). ${CONVERT}`
  )
}

/** Not all of the image could be seen that has to be seen. */
export function unseenImage(): TankError {
  return refused(`Image failed safety checks: TRUNCATED (ends before all was seen). ${FETCH}`)
}
