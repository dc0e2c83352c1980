import { setTimeout } from 'node:timers/promises'
import { createInspector, type Inspector, type Report } from '../../src/index.ts'

/** What must not happen. */
export type Fault =
  | 'it threw'
  | 'it was slow'
  | 'its reader failed'
  | 'the chunks mattered'
  | 'its needs never end'
  | 'the ranges said something else'
  | 'it changed its mind'
  | 'it kept too much'
  | 'it called safe what names another file'

const MOST_ROUNDS = 200
const MOST_PUSHES = 20_000
const MOST_KEPT = 3 * 2 ** 20
const SLOW_US = 400_000

/** Gives what is asked for once more; undefined when that never ends. */
function finish(inspector: Inspector, bytes: Uint8Array): Report | undefined {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { needs } = inspector
    if (needs.length === 0) return inspector.report()
    for (const { offset, length } of needs)
      inspector.provide(offset, bytes.subarray(offset, offset + length))
  }
  return undefined
}

interface Streamed {
  /** Before anything was read again. */
  readonly report: Report
  readonly finished: Report | undefined
  readonly wasUnsafe: boolean
}

function stream(bytes: Uint8Array, chunk: number): Streamed {
  const inspector = createInspector()
  let wasUnsafe = false
  for (let at = 0; at < bytes.length; at += chunk) {
    inspector.push(bytes.subarray(at, at + chunk))
    wasUnsafe ||= inspector.isUnsafe
  }
  inspector.end()
  return { report: inspector.report(), finished: finish(inspector, bytes), wasUnsafe }
}

function ranges(bytes: Uint8Array): Report | undefined {
  const inspector = createInspector()
  inspector.end(bytes.length)
  return finish(inspector, bytes)
}

const isSame = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other)

/** What a safe image must not have, read in another way than the inspector reads it. */
function isDangerousDisk(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.subarray(0, 20_000)).toString('latin1')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (text.startsWith('QFI\xfb')) {
    const extensions = bytes.length >= 104 && view.getUint32(4) === 3 ? view.getUint32(100) : 72
    const hasDataFile = text.slice(extensions, extensions + 4) === 'DATA'
    return bytes.length < 72 || view.getBigUint64(8) !== 0n || hasDataFile
  }
  if (text.startsWith('KDMV')) {
    const [descriptor = ''] = text.slice(512).split('\0')
    return /parentFileNameHint|\b(FLAT|VMFS|ZERO)\b|createType="(?!monolithicSparse|streamOpt)/.test(
      descriptor
    )
  }
  const isBacked = text.startsWith('QED\0') && ((bytes[16] ?? 0) & 1) !== 0
  return isBacked || text.startsWith('# Disk DescriptorFile')
}

/** Goes over an archive as some readers do: every header's own name counts, and folders have no data. */
function isDangerousArchive(bytes: Uint8Array): boolean {
  let leavesNext = false
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const header = Buffer.from(bytes.subarray(at, at + 512)).toString('latin1')
    if (at === 0 && !header.startsWith('ustar', 257)) return false
    const [name = ''] = header.split('\0')
    const [prefix = ''] = header.slice(345, 500).split('\0')
    const type = header[156] ?? ''
    if (header.charCodeAt(124) >= 0x80) return false
    const size = Number.parseInt(header.slice(124, 136), 8) || 0
    const body = bytes.subarray(at + 512, at + 512 + size)
    const isExtra = type === 'x' || type === 'L'
    const leaves = [prefix, ...name.split('/')].includes('..') || /^\//.test(prefix || name)
    if (!isExtra && (leaves || /[1-6]/.test(type) || isDangerousDisk(body))) return true
    if (name.endsWith('.ovf') && namesSystemFile(body)) return true
    if (!isExtra && leavesNext) return true
    leavesNext ||= type === 'x' && / path=(?:\/|\.\.\/)/.test(Buffer.from(body).toString('latin1'))
    const isFolder = !isExtra && name.endsWith('/')
    at += 512 + (isFolder ? 0 : Math.ceil(size / 512) * 512)
  }
  return false
}

/** Whether a tag of a description names a file of the system; reads letter by letter. */
function namesSystemFile(bytes: Uint8Array): boolean {
  const xml = Buffer.from(bytes)
    .toString('latin1')
    .replace(/<!--.*?-->|<!\[CDATA\[.*?\]\]>/gs, '')
  let quote = ''
  let before = ''
  let value = ''
  for (const letter of xml) {
    if (quote === '') {
      if (letter === '"' || letter === "'") quote = letter
      before = letter === '<' ? '' : before + letter
      value = ''
    } else if (letter !== quote) value += letter
    else {
      if (/[\s:]href\s*=\s*["']$/.test(before.slice(-20)) && value === '/etc/x') return true
      quote = ''
    }
  }
  return false
}

const isDangerous = (bytes: Uint8Array): boolean =>
  isDangerousDisk(bytes) || isDangerousArchive(bytes)

function checkOnce(bytes: Uint8Array, chunk: number): Fault | undefined {
  const whole = stream(bytes, Math.max(1, bytes.length))
  const least = Math.ceil(bytes.length / MOST_PUSHES)
  const cut = stream(bytes, Math.max(1, least, chunk))
  const ranged = ranges(bytes)
  const { finished } = whole
  if (whole.report.findings.some(({ code }) => code === 'INSPECTOR_FAILED'))
    return 'its reader failed'
  if (!isSame(cut.report, whole.report)) return 'the chunks mattered'
  if (ranged === undefined || finished === undefined) return 'its needs never end'
  if (!isSame(ranged, finished)) return 'the ranges said something else'
  const isUnsafe = whole.report.verdict === 'unsafe' && finished.verdict === 'unsafe'
  if ((whole.wasUnsafe || cut.wasUnsafe) && !isUnsafe) return 'it changed its mind'
  if (finished.verdict === 'safe' && isDangerous(bytes))
    return 'it called safe what names another file'
  return undefined
}

/** Finds what is wrong with how an image is inspected. */
export function check(bytes: Uint8Array, chunk: number): Fault | undefined {
  try {
    let fault: Fault | undefined = 'it was slow'
    // other work on the machine may slow it down once, but hardly three times
    for (let run = 0; run < 3 && fault === 'it was slow'; run++) {
      const from = process.cpuUsage()
      fault = checkOnce(bytes, chunk)
      const { user, system } = process.cpuUsage(from)
      if (fault === undefined && user + system > SLOW_US + bytes.length) fault = 'it was slow'
    }
    return fault
  } catch {
    return 'it threw'
  }
}

/** Memory that is in use after everything that can be freed was; buffers take a while to be counted. */
async function used(gc: () => void): Promise<number> {
  for (let round = 0; round < 2; round++) {
    gc()
    await setTimeout(5)
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Whether inspectors that stop in the middle of the image keep more than is promised. */
export async function checkKept(
  bytes: Uint8Array,
  part: number,
  gc: () => void
): Promise<Fault | undefined> {
  const count = 4
  const before = await used(gc)
  const inspectors: Inspector[] = []
  for (let index = 0; index < count; index++) {
    const inspector = createInspector()
    for (let at = 0; at < part; at += 65536)
      inspector.push(bytes.subarray(at, Math.min(part, at + 65536)))
    inspectors.push(inspector)
  }
  const kept = (await used(gc)) - before
  return inspectors.length === count && kept / count > MOST_KEPT ? 'it kept too much' : undefined
}
