import { latin1 } from '../fields.ts'
import type { FindingCode } from '../findings.ts'
import type { Examination } from '../format.ts'

const NO_PARENT = 'ffffffff'
const TYPES = ['monolithicSparse', 'streamOptimized']
/** Some readers look for these as words anywhere, in comments and in values too. */
const PARENT_WORDS = ['parentfilenamehint', 'changetrackpath']
const SINGLE_WORDS = ['createtype', 'parentcid']
const MOST_LINES = 4096
const SETTING = /^([A-Za-z_][\w.]*)\s*=\s*(.*)$/
const EXTENT =
  /^(RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+([A-Za-z]\w*)(?:\s+"([^"]*)"(?:\s+(\d{1,15}))?)?$/i
const LOOKS_LIKE_EXTENT = /^(RW|RDONLY|NOACCESS)\b/i

interface Descriptor {
  readonly settings: ReadonlyMap<string, string>
  readonly extents: readonly RegExpExecArray[]
  readonly codes: ReadonlySet<FindingCode>
  readonly hasParent: boolean
}

const unquoted = (value: string): string => /^"([^"]*)"$/.exec(value)?.[1] ?? value

function parentOf(settings: ReadonlyMap<string, string>, lower: string): boolean {
  const parent = settings.get('parentcid')
  return (
    (parent !== undefined && parent.toLowerCase() !== NO_PARENT) ||
    PARENT_WORDS.some((word) => lower.includes(word))
  )
}

/** Reads a descriptor; what two readers might understand differently is a fault. */
function parse(text: string): Descriptor {
  const lower = text.toLowerCase()
  const settings = new Map<string, string>()
  const extents: RegExpExecArray[] = []
  const codes = new Set<FindingCode>()
  const lines = text.split(/\r\n|\r|\n/, MOST_LINES + 1)
  const isOdd =
    lines.length > MOST_LINES ||
    /[^\t\r\n\x20-\x7e]|\r(?!\n)/.test(text) ||
    SINGLE_WORDS.some((word) => lower.indexOf(word) !== lower.lastIndexOf(word))
  if (isOdd) codes.add('VMDK_DESCRIPTOR_SYNTAX')
  for (const line of lines) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const extent = EXTENT.exec(trimmed)
    const setting = SETTING.exec(trimmed)
    if (extent !== null) extents.push(extent)
    else if (LOOKS_LIKE_EXTENT.test(trimmed)) codes.add('VMDK_EXTERNAL_EXTENT')
    else if (setting === null) codes.add('VMDK_DESCRIPTOR_SYNTAX')
    else {
      const key = (setting[1] ?? '').toLowerCase()
      if (settings.has(key)) codes.add('VMDK_DESCRIPTOR_SYNTAX')
      settings.set(key, unquoted(setting[2] ?? ''))
    }
  }
  return { settings, extents, codes, hasParent: parentOf(settings, lower) }
}

/** A name that no reader takes for a path, a device or a protocol. */
function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\:%]/.test(name)
}

function checkExtents(extents: readonly RegExpExecArray[], capacity: number): FindingCode[] {
  const [extent] = extents
  if (extent === undefined) return ['VMDK_DESCRIPTOR_SYNTAX']
  const isOwn = extents.length === 1 && extent[3] === 'SPARSE' && isPlainName(extent[4] ?? '')
  if (!isOwn) return ['VMDK_EXTERNAL_EXTENT']
  return Number(extent[2]) === capacity ? [] : ['VMDK_DESCRIPTOR_SYNTAX']
}

/** The descriptor inside of a sparse file: it may name nothing but that file. */
export function checkEmbedded(
  bytes: Uint8Array,
  where: { readonly at: number; readonly capacity: number },
  notes: Examination
): void {
  const end = bytes.indexOf(0)
  const text = latin1(end < 0 ? bytes : bytes.subarray(0, end))
  const descriptor = parse(text)
  const codes = new Set(descriptor.codes)
  if (end >= 0 && bytes.subarray(end).some((byte) => byte !== 0))
    codes.add('VMDK_DESCRIPTOR_SYNTAX')
  const named = descriptor.settings.get('createtype')
  // our own word: theirs would keep the whole text
  const type = TYPES.find((known) => known === named)
  if (type === undefined) codes.add('VMDK_SUBFORMAT')
  else notes.facts.subformat = type
  if (descriptor.hasParent) codes.add('VMDK_PARENT')
  for (const code of checkExtents(descriptor.extents, where.capacity)) codes.add(code)
  for (const code of codes) notes.report(code, where.at)
}

/** A descriptor that is a file of its own: whatever it names lies elsewhere. */
export function checkText(bytes: Uint8Array, notes: Examination): void {
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1
  const descriptor = parse(latin1(bytes.subarray(0, end)))
  if (descriptor.hasParent) notes.report('VMDK_PARENT', 0)
  if (descriptor.extents.length > 0 || descriptor.codes.has('VMDK_EXTERNAL_EXTENT'))
    notes.report('VMDK_EXTERNAL_EXTENT', 0)
  if (descriptor.codes.has('VMDK_DESCRIPTOR_SYNTAX')) notes.report('VMDK_DESCRIPTOR_SYNTAX', 0)
  const sectors = descriptor.extents.reduce((sum, extent) => sum + Number(extent[2]), 0)
  notes.size(sectors * 512, 0)
}
