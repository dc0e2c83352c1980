import { latin1 } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, judge, need, read, type Steps, wholeSize } from '../steps.ts'
import { MOST_OVF, readOvf } from './ovf.ts'
import { applianceOf } from './ovf-facts.ts'
import {
  BLOCK,
  isInside,
  isLikeHeader,
  meaningOf,
  readPax,
  readTarHeader,
  type TarHeader,
  textOf
} from './tar-header.ts'

const MOST_MEMBERS = 64
/** Of names and extended headers, which are kept in memory. */
const MOST_EXTRA = 64 * 1024
/** Of characters; no system has longer paths. */
const MOST_NAME = 4096
/** The largest size that eleven octal digits can say. */
const MOST_OCTAL = 8 ** 11 - 1
const TEXTS = /\.(ovf|mf|cert)$/i
const DESCRIPTION = /\.ovf$/i
/** Some readers take such a member for a folder, and what it holds for the next header. */
const FOLDER = /[/\\]$/
/** Records that give some readers another size or kind of member. */
const ODD_RECORD = /^(?:GNU\.sparse|SCHILY\.(?:realsize|filetype)$|SUN\.holesdata$)/
/** Names with a scheme, or with characters that some readers leave out. */
const ELSEWHERE = /^[a-z][a-z\d+.-]*:|[^ -~\x80-\xff]|^\xc2?[ \x85\xa0]| $/i

interface Archive {
  /** What the members' names mean (`meaningOf`). */
  readonly names: Set<string>
  /** The first description, wherever it lies; `files` are those that it names. */
  description: { readonly at: number; readonly files: readonly string[] } | undefined
  at: number
  /** From headers that come before the member's own. */
  name: string | undefined
  size: number | undefined
}

function* isTar(): Steps<boolean> {
  return (
    (yield* hasMagic(257, 'ustar\x0000')) ||
    (yield* hasMagic(257, 'ustar  \0')) ||
    isLikeHeader(yield* read(0, BLOCK))
  )
}

/** The first member of an appliance is its description; headers for its name may come before it. */
function* isAppliance(): Steps<boolean> {
  let at = 0
  for (let count = 0; count < 2; count++) {
    const header = readTarHeader(yield* read(at, BLOCK))
    const isExtra = header.kind === 'extension' || header.kind === 'long-name'
    if (!isExtra || header.size > MOST_EXTRA) return DESCRIPTION.test(header.name)
    at += BLOCK + Math.ceil(header.size / BLOCK) * BLOCK
  }
  return false
}

/** A name or a size that replaces the one in the next header; false when it is not to be trusted. */
function* readExtra(header: TarHeader, archive: Archive): Steps<boolean> {
  // of two some readers take the first, others the last, or read one by what the other says
  const isSecond = archive.name !== undefined || archive.size !== undefined
  if (header.size > MOST_EXTRA || isSecond) return false
  const bytes = yield* need(archive.at + BLOCK, header.size)
  if (header.kind === 'long-name') {
    archive.name = textOf(bytes)
    return true
  }
  const records = readPax(bytes)
  const path = records?.get('path')
  const size = records?.get('size')
  const isOdd = [...(records?.keys() ?? [])].some((key) => ODD_RECORD.test(key))
  if (records === undefined || isOdd || (size !== undefined && !/^\d{1,15}$/.test(size)))
    return false
  if (path !== undefined && /^[-+.\d]*$/.test(path)) return false
  archive.name = path
  archive.size = size === undefined ? undefined : Number(size)
  return true
}

/** Readers that know no extended headers go by the name of the header itself. */
function checkName(name: string, header: TarHeader, archive: Archive, notes: Examination): void {
  if (FOLDER.test(name) || FOLDER.test(header.name)) notes.report('TAR_LINK', archive.at)
  if (!isInside(name) || !header.isInside) notes.report('TAR_TRAVERSAL', archive.at)
  const meaning = meaningOf(name)
  if (archive.names.has(meaning)) notes.report('TAR_DUPLICATE', archive.at)
  archive.names.add(meaning)
}

function* readDescription(size: number, archive: Archive, notes: Examination): Steps<void> {
  const at = archive.at + BLOCK
  archive.description = { at, files: [] }
  if (size > MOST_OVF) {
    notes.report('OVF_SYNTAX', at)
    return
  }
  const xml = latin1(yield* need(at, size))
  const { codes, files } = readOvf(xml)
  archive.description = { at, files }
  if (codes.length === 0) notes.facts.appliance = applianceOf(xml)
  for (const code of codes) notes.report(code, at)
}

/** False where it makes no sense to go on. */
function* readMember(header: TarHeader, archive: Archive, notes: Examination): Steps<boolean> {
  const name = archive.name ?? header.name
  const size = archive.size ?? header.size
  const offset = archive.at + BLOCK
  const member = notes.facts.members.length
  archive.name = undefined
  archive.size = undefined
  // a reader that knows no extended headers would go on at another place
  const isSmuggled = size !== header.size && size <= MOST_OCTAL
  if (isSmuggled || name.length > MOST_NAME) {
    notes.report('TAR_HEADER', archive.at)
    return false
  }
  checkName(name, header, archive, notes)
  const isDescription = DESCRIPTION.test(name) || DESCRIPTION.test(header.name)
  if (isDescription && archive.description === undefined) {
    notes.facts.members.push({ name, offset, size })
    yield* readDescription(size, archive, notes)
  } else {
    // readers may take either
    if (isDescription) notes.report('TAR_DUPLICATE', archive.at)
    const part = notes.open(member, offset)
    if (part !== undefined) yield* judge({ offset, length: size }, part)
    const report = notes.close()
    const isText = TEXTS.test(name) && report?.format === 'raw'
    notes.facts.members.push({ name, offset, size, ...(isText || !report ? {} : { report }) })
  }
  archive.at = offset + Math.ceil(size / BLOCK) * BLOCK
  return true
}

/** A reference of bytes that %xx stand for. */
const decoded = (file: string): string =>
  file.replace(/%([\da-f]{2})/gi, (_, byte: string) => String.fromCharCode(Number(`0x${byte}`)))

/** Files that the description names have to be members, whether readers decode the names or not. */
function checkFiles(archive: Archive, notes: Examination): void {
  const { at, files } = archive.description ?? { at: 0, files: [] }
  const isOwn = (file: string): boolean => {
    const forms = [file, decoded(file)]
    return (
      forms.every((form) => isInside(form) && !ELSEWHERE.test(form)) &&
      forms.some((form) => archive.names.has(meaningOf(form)))
    )
  }
  if (!files.every(isOwn)) notes.report('OVF_EXTERNAL', at)
}

function* readHeader(archive: Archive, notes: Examination): Steps<TarHeader> {
  const header = readTarHeader(yield* need(archive.at, BLOCK))
  if (header.kind === 'damaged') notes.report('TAR_HEADER', archive.at)
  if (header.kind === 'link') notes.report('TAR_LINK', archive.at)
  return header
}

function* examine(notes: Examination): Steps<void> {
  const archive: Archive = {
    names: new Set(),
    description: undefined,
    at: 0,
    name: undefined,
    size: undefined
  }
  for (let count = 0; ; count++) {
    const header = yield* readHeader(archive, notes)
    if (header.kind === 'damaged' || header.kind === 'link') return
    if (header.kind === 'end') break
    if (count >= 2 * MOST_MEMBERS || notes.facts.members.length >= MOST_MEMBERS) {
      notes.report('TAR_MEMBERS', archive.at)
      return
    }
    if (header.kind === 'file') {
      if (!(yield* readMember(header, archive, notes))) return
    } else if (yield* readExtra(header, archive))
      archive.at += BLOCK + Math.ceil(header.size / BLOCK) * BLOCK
    else {
      notes.report('TAR_HEADER', archive.at)
      return
    }
  }
  checkFiles(archive, notes)
  // some readers go on behind a single empty block
  const next = yield* read(archive.at + BLOCK, BLOCK)
  if (next.some((byte) => byte !== 0)) notes.report('TAR_HEADER', archive.at + BLOCK)
  if (archive.at > (yield* wholeSize())) notes.report('TRUNCATED', archive.at)
}

/** Appliances: a ustar archive of an .ovf and the disks that it names (OVF 2.1, chapter 6). */
export const ova: Format = {
  name: 'ova',
  isArchive: true,
  *detect() {
    return (yield* isTar()) && (yield* isAppliance())
  },
  examine
}

/** Other archives. */
export const tar: Format = {
  name: 'tar',
  isArchive: true,
  *detect() {
    return (yield* isTar()) && !(yield* isAppliance())
  },
  examine
}
