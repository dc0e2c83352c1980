import { latin1 } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, judge, need, read, type Steps, wholeSize } from '../steps.ts'
import { MOST_OVF, readOvf } from './ovf.ts'
import { BLOCK, isInside, readPax, readTarHeader, type TarHeader, textOf } from './tar-header.ts'

const MOST_MEMBERS = 64
/** Of names and extended headers, which are kept in memory. */
const MOST_EXTRA = 64 * 1024
const TEXTS = /\.(ovf|mf|cert)$/i

interface Archive {
  readonly names: Set<string>
  /** Files that its description names. */
  files: readonly string[] | undefined
  at: number
  /** From headers that come before the member's own. */
  name: string | undefined
  size: number | undefined
}

function* isTar(): Steps<boolean> {
  return (yield* hasMagic(257, 'ustar\x0000')) || (yield* hasMagic(257, 'ustar  \0'))
}

/** The first member of an appliance is its description. */
function* isAppliance(): Steps<boolean> {
  return /\.ovf$/i.test(textOf(yield* read(0, 100)))
}

/** A name or a size that replaces the one in the next header; false when it is not to be trusted. */
function* readExtra(header: TarHeader, archive: Archive): Steps<boolean> {
  if (header.size > MOST_EXTRA) return false
  const bytes = yield* need(archive.at + BLOCK, header.size)
  if (header.kind === 'long-name') {
    archive.name = textOf(bytes)
    return true
  }
  const records = readPax(bytes)
  const path = records?.get('path')
  const size = records?.get('size')
  const isOdd = [...(records?.keys() ?? [])].some((key) => key.startsWith('GNU.sparse'))
  if (records === undefined || isOdd || (size !== undefined && !/^\d{1,15}$/.test(size)))
    return false
  if (path !== undefined && /^[-+.\d]*$/.test(path)) return false
  archive.name = path ?? archive.name
  archive.size = size === undefined ? archive.size : Number(size)
  return true
}

function checkName(name: string, archive: Archive, notes: Examination): void {
  if (!isInside(name)) notes.report('TAR_TRAVERSAL', archive.at)
  if (archive.names.has(name.toLowerCase())) notes.report('TAR_DUPLICATE', archive.at)
  archive.names.add(name.toLowerCase())
}

function* readDescription(size: number, archive: Archive, notes: Examination): Steps<void> {
  const at = archive.at + BLOCK
  if (size > MOST_OVF) {
    notes.report('OVF_SYNTAX', at)
    return
  }
  const { codes, files } = readOvf(latin1(yield* need(at, size)))
  archive.files = files
  for (const code of codes) notes.report(code, at)
}

function* readMember(header: TarHeader, archive: Archive, notes: Examination): Steps<void> {
  const name = (archive.name ?? header.name).slice(0, 4096)
  const size = archive.size ?? header.size
  const offset = archive.at + BLOCK
  const member = notes.facts.members.length
  archive.name = undefined
  archive.size = undefined
  checkName(name, archive, notes)
  if (member === 0 && /\.ovf$/i.test(name)) {
    notes.facts.members.push({ name, offset, size })
    yield* readDescription(size, archive, notes)
  } else {
    const part = TEXTS.test(name) ? undefined : notes.open(member, offset)
    if (part !== undefined) yield* judge({ offset, length: size }, part)
    const report = notes.close()
    notes.facts.members.push({ name, offset, size, ...(report === undefined ? {} : { report }) })
  }
  archive.at = offset + Math.ceil(size / BLOCK) * BLOCK
}

/** Files that the description names have to be members. */
function checkFiles(archive: Archive, notes: Examination): void {
  const outside = archive.files?.some((file) => !archive.names.has(file.toLowerCase()))
  if (outside === true) notes.report('OVF_EXTERNAL', BLOCK)
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
    files: undefined,
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
    if (header.kind === 'file') yield* readMember(header, archive, notes)
    else if (yield* readExtra(header, archive))
      archive.at += BLOCK + Math.ceil(header.size / BLOCK) * BLOCK
    else {
      notes.report('TAR_HEADER', archive.at)
      return
    }
  }
  checkFiles(archive, notes)
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
