import { FINDINGS, type Finding, type FindingCode, type Severity } from './findings.ts'
import type { Budget, Examination, Facts, Format, OpenPart } from './format.ts'
import type { Report } from './report.ts'

/** Severities that differ from the usual ones, or `ignore`. */
export type Severities = Readonly<Partial<Record<FindingCode, Severity | 'ignore'>>>

/** Behind so many only the first counts that makes the image unsafe. */
const MOST_FINDINGS = 200

const isReject = ({ severity }: Finding): boolean => severity === 'reject'

/** The finding of a code, unless it is to be ignored. */
export function findingOf(
  code: FindingCode,
  offset: number,
  severities: Severities
): Finding | undefined {
  const [usual, message] = FINDINGS[code]
  const severity = severities[code] ?? usual
  return severity === 'ignore' ? undefined : { code, severity, offset, message }
}

export interface NotebookOptions {
  readonly maxVirtualSize: number
  readonly severities: Severities
  readonly budget: Budget
  readonly open: (place: 'member' | 'inner') => OpenPart | undefined
}

/** What one reader of a format found out. */
export class Notebook implements Examination {
  readonly format: Format
  readonly facts: Facts = {
    subformat: undefined,
    encrypted: false,
    compressedBy: undefined,
    declaredSize: undefined,
    content: undefined,
    isTrailer: false,
    isPlausible: false,
    appliance: undefined,
    members: [],
    inner: undefined
  }
  /** Whether the bytes claim to be of the format; undefined while that is open. */
  isMatch: boolean | undefined
  isOver = false
  virtualSize: number | undefined
  readonly #options: NotebookOptions
  readonly #findings: Finding[] = []
  #open: { part: OpenPart; member: number; offset: number } | undefined

  constructor(format: Format, options: NotebookOptions) {
    this.format = format
    this.#options = options
  }

  get findings(): readonly Finding[] {
    return [...this.#findings, ...this.#partFindings()]
  }

  report(code: FindingCode, offset: number): void {
    const finding = findingOf(code, offset, this.#options.severities)
    if (finding !== undefined) this.#add(finding)
  }

  size(bytes: number, offset: number): void {
    this.virtualSize = Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined
    if (this.virtualSize === undefined || bytes > this.#options.maxVirtualSize)
      this.report('VIRTUAL_SIZE_CAP', offset)
  }

  get budget(): Budget {
    return this.#options.budget
  }

  open(member: number, offset: number): OpenPart | undefined {
    const part = this.#options.open('member')
    this.#open = part === undefined ? undefined : { part, member, offset }
    return part
  }

  close(): Report | undefined {
    const report = this.#open?.part.report()
    for (const finding of this.#partFindings()) this.#add(finding)
    this.#open = undefined
    return report
  }

  unpack(): OpenPart | undefined {
    return this.#options.open('inner')
  }

  unpacked(inner: Report, offset: number): void {
    this.facts.inner = inner
    // its own offsets are none of this file
    for (const finding of inner.findings) this.#add({ ...finding, offset })
  }

  declares(bytes: number | undefined, offset: number): void {
    this.facts.declaredSize = bytes
    if (bytes !== undefined && bytes > this.#options.maxVirtualSize)
      this.report('EXPANSION_CAP', offset)
  }

  #partFindings(): Finding[] {
    if (this.#open === undefined) return []
    const { part, member, offset } = this.#open
    return part
      .report()
      .findings.map((finding) => ({ ...finding, member, offset: finding.offset + offset }))
  }

  #add(finding: Finding): void {
    const isFull = this.#findings.length >= MOST_FINDINGS
    if (isFull && (!isReject(finding) || this.#findings.some(isReject))) return
    const isThere = this.#findings.some(
      ({ code, offset }) => code === finding.code && offset === finding.offset
    )
    if (!isThere) this.#findings.push(finding)
  }
}
