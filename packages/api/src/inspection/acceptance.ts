import type { Finding, FormatName, Report } from '@tank/inspect'
import { DISK_FORMATS, type DiskFormat, type TankError } from '@tank/model'
import { qedImage, unsafeImage, unseenImage, wrongFormat } from './refusal.ts'
import type { InspectionRules } from './rules.ts'

/** What is said of an image whose bytes come in. */
export interface Declared {
  readonly disk_format: string | null
  readonly container_format: string | null
}

/** Formats that bytes can be told to have; everything else counts as raw (F4–F6). */
const DETECTED: ReadonlySet<FormatName> = new Set([
  'qcow2',
  'qed',
  'vmdk',
  'vdi',
  'vhd',
  'vhdx',
  'parallels',
  'luks',
  'iso'
])
/** Told by their first bytes; a fixed VHD is told by its last ones. */
const TOLD_EARLY: ReadonlySet<string> = new Set(['qcow2', 'vmdk', 'vdi', 'vhdx', 'iso'])
/** Formats that are not told by their bytes (F4). */
const UNTOLD: ReadonlySet<string> = new Set(['ami', 'ari', 'aki', 'ploop'])

/** The `disk_format` of what was found. */
export function diskFormatOf({ format, members }: Report): DiskFormat {
  if (format === 'parallels') return 'ploop'
  if (format === 'ova') {
    const disk = members.find(({ report }) => report !== undefined && DETECTED.has(report.format))
    return disk?.report === undefined ? 'vmdk' : diskFormatOf(disk.report)
  }
  return DISK_FORMATS.find((name) => name === format) ?? 'raw'
}

/** Whether the bytes are what was declared; raw may be anything (F3–F6). */
export function isMatch({ disk_format }: Declared, report: Report): boolean {
  if (disk_format === null || disk_format === 'raw' || disk_format === 'auto') return true
  if (!DETECTED.has(report.format)) return UNTOLD.has(disk_format)
  return disk_format === diskFormatOf(report) && report.format !== 'luks' && report.format !== 'qed'
}

function shownFormat(report: Report): string {
  return report.format === 'parallels' ? 'ploop' : report.format
}

const isArchive = (format: FormatName): boolean => format === 'ova' || format === 'tar'

/** Findings that count against an image. What is declared as a disk is not unpacked by anybody. */
function fatal({ container_format }: Declared, { format, findings }: Report): readonly Finding[] {
  const rejecting = findings.filter(({ severity }) => severity === 'reject')
  if (container_format === 'ova') return isArchive(format) || DETECTED.has(format) ? rejecting : []
  const isDisk = format === 'raw' || DETECTED.has(format)
  return isDisk ? rejecting : rejecting.filter(({ code }) => code === 'POLYGLOT')
}

function luksFinding({ format, subformat }: Report, rules: InspectionRules): Finding | undefined {
  if (format !== 'luks' || subformat === 'v1' || rules.severities.LUKS_VERSION === 'warn')
    return undefined
  const message = 'is LUKS of another version than 1'
  return { code: 'LUKS_VERSION', severity: 'reject', offset: 6, message }
}

/** What of the API's own rules a disk breaks, beside what the inspector finds (F8, F11). */
function ownRules(report: Report, rules: InspectionRules): TankError | undefined {
  if (report.format === 'qed') return qedImage()
  const luks = luksFinding(report, rules)
  return luks === undefined ? undefined : unsafeImage([luks])
}

/** Disks inside of an appliance are judged like others, and so is what is packed in them. */
function membersRefusal(report: Report, rules: InspectionRules): TankError | undefined {
  for (const { report: member } of report.members) {
    for (const one of [member, member?.inner]) {
      const refusal = one === undefined ? undefined : ownRules(one, rules)
      if (refusal !== undefined) return refusal
    }
  }
  return undefined
}

/** Whether images of this container are looked at (F15). */
export function isInspected({ container_format }: Declared): boolean {
  return container_format === null || container_format === 'bare' || container_format === 'ova'
}

/**
 * Why an image is refused, as far as is known; undefined when nothing speaks against it (F1–F15).
 * Before the end only that counts which later bytes cannot change.
 */
export function refusalOf(
  declared: Declared,
  report: Report,
  rules: InspectionRules,
  { isOver }: { readonly isOver: boolean }
): TankError | undefined {
  // compute services activate records of volumes with no bytes at all, whatever their format
  if (isOver && report.size === 0) return undefined
  const findings = fatal(declared, report)
  if (findings.length > 0) return unsafeImage(findings)
  if (declared.container_format === 'ova' && !DETECTED.has(report.format)) {
    if (!isArchive(report.format)) return undefined
    return membersRefusal(report, rules) ?? (isOver ? unseen(report) : undefined)
  }
  const own = ownRules(report, rules)
  if (own !== undefined) return own
  // a disk where an appliance was to be
  if (declared.container_format === 'ova') return isOver ? unseen(report) : undefined
  const { disk_format } = declared
  const isTold = isOver || DETECTED.has(report.format) || TOLD_EARLY.has(disk_format ?? '')
  if (rules.requireMatch && isTold && !isMatch(declared, report))
    return wrongFormat(disk_format ?? '', shownFormat(report))
  return isOver ? unseen(report) : undefined
}

function unseen({ verdict }: Report): TankError | undefined {
  return verdict === 'indeterminate' ? unseenImage() : undefined
}

/** What is shown as `virtual_size`; null where that is not known (F3–F6, F14, F15). */
export function virtualSizeOf(declared: Declared, report: Report): number | null {
  if (declared.container_format !== 'bare') return null
  const { disk_format } = declared
  const format = disk_format === 'auto' ? diskFormatOf(report) : disk_format
  const isPolyglot = report.findings.some(({ code }) => code === 'POLYGLOT')
  if (isPolyglot || !isMatch(declared, report)) return null
  if (format === 'raw') return report.size === 0 ? null : report.size
  if (!DETECTED.has(report.format) || format === null) return null
  return report.virtualSize === undefined || report.virtualSize === 0 ? null : report.virtualSize
}
