import { FINDING_CODES, type FindingCode, type Severities } from '@tank/inspect'
import type { InspectionSection } from './inspection-section.ts'

/** What the images that come in are held against. */
export interface InspectionRules {
  /** false: what F2 and F6 refuse is only logged (F14). */
  readonly requireMatch: boolean
  /** bytes */
  readonly maxVirtualSize: number
  readonly severities: Severities
  readonly properties: PropertyRules
}

/** Which custom properties an image gets from what is found in it. */
export interface PropertyRules {
  /** Whether anybody may set it: what is kept for some is not taken from an image. */
  isFree(name: string): boolean
  /** Most custom properties of an image, null: no limit. */
  readonly limit: number | null
}

/** Where the Image API is stricter than the inspector (F7). */
const STRICTER: Severities = { QCOW2_EXTENDED_L2: 'reject' }

/** Findings that belong together, by the name of their check (F10). */
const CHECKS: Readonly<Record<string, readonly FindingCode[]>> = {
  mbr: ['MBR_BOOT_FLAG', 'MBR_PROTECTIVE', 'MBR_EMPTY']
}

/** An image with one of these makes whoever opens it read files that are not its own (F17). */
const LEADS_OUT: readonly FindingCode[] = [
  'QCOW2_BACKING_FILE',
  'QCOW2_DATA_FILE',
  'VMDK_EXTERNAL_EXTENT',
  'VMDK_PARENT',
  'VMDK_ZERO_CAPACITY',
  'VMDK_SUBFORMAT',
  'VMDK_DESCRIPTOR_SYNTAX',
  'VMDK_FOOTER_MISMATCH',
  'VDI_DIFFERENCING',
  'VHD_DIFFERENCING',
  'VHDX_PARENT',
  'QED_BACKING',
  'TAR_LINK',
  'TAR_TRAVERSAL',
  'OVF_EXTERNAL',
  'OVF_DTD',
  'INSPECTOR_FAILED'
]

/**
 * Behind one of these the inspector looks no further, or at another place than other readers: what
 * leads to other files may stand there.
 */
const HIDES: readonly FindingCode[] = [
  'QCOW2_VERSION',
  'QCOW2_TABLE_BOUNDS',
  'VMDK_HEADER',
  'VHD_HEADER',
  'VHD_FOOTER_MISMATCH',
  'VHDX_HEADER',
  'VHDX_REGION_TABLE',
  'VHDX_METADATA',
  // replayed, it may write a parent
  'VHDX_DIRTY_LOG',
  'TAR_HEADER',
  'TAR_MEMBERS',
  // the second description is the one that stays
  'TAR_DUPLICATE',
  'OVF_SYNTAX',
  'COMPRESSION_SYNTAX',
  'TRUNCATED'
]

const ALWAYS_FATAL: ReadonlySet<string> = new Set([...LEADS_OUT, ...HIDES])

type Report = (pointer: string, message: string) => void

function isCode(name: string): name is FindingCode {
  return (FINDING_CODES as readonly string[]).includes(name)
}

function codesOf(name: string): readonly FindingCode[] {
  if (Object.hasOwn(CHECKS, name)) return CHECKS[name] ?? []
  return isCode(name) ? [name] : []
}

/** Why a name may not be in a list; undefined when it may. */
function objection(list: string, name: string): string | undefined {
  if (codesOf(name).length === 0) return `there is no finding '${name}'`
  if (name === 'FORMAT_MISMATCH') return `${name} is only logged with requireMatch: false; use that`
  if (list !== 'nonFatal' || !ALWAYS_FATAL.has(name)) return undefined
  return `${name} is always fatal: such an image leads to other files, or may do so unseen`
}

/** Reports every name in the section that means nothing, or may not be there. */
export function checkInspection({ nonFatal, fatal }: InspectionSection, report: Report): void {
  for (const [list, names] of Object.entries({ nonFatal, fatal })) {
    for (const [index, name] of names.entries()) {
      const message = objection(list, name)
      if (message !== undefined) report(`/inspection/${list}/${index}`, message)
    }
  }
}

/** Reads the section; names that may not be there are left out. */
export function createInspectionRules(
  section: InspectionSection,
  properties: PropertyRules
): InspectionRules {
  const { requireMatch, maxVirtualSize, nonFatal, fatal } = section
  const weigh = (list: string, names: readonly string[], severity: 'warn' | 'reject') =>
    names
      .filter((name) => objection(list, name) === undefined)
      .flatMap(codesOf)
      .map((code) => [code, severity] as const)
  const severities: Severities = {
    ...STRICTER,
    ...Object.fromEntries(weigh('fatal', fatal, 'reject')),
    ...Object.fromEntries(weigh('nonFatal', nonFatal, 'warn')),
    ...(requireMatch ? {} : { POLYGLOT: 'warn' })
  }
  return { requireMatch, maxVirtualSize, severities, properties }
}
