import type { Finding, FindingCode } from './findings.ts'
import { findingOf, type Notebook, type Severities } from './notebook.ts'
import type { FormatName, Report } from './report.ts'

export interface Evidence {
  /** One of each format, in the order of the registry. */
  readonly notebooks: readonly Notebook[]
  readonly expected: FormatName | undefined
  readonly severities: Severities
  /** Bytes of the image, or as many as were seen. */
  readonly size: number
  /** Whether all that has to be seen was seen. */
  readonly isComplete: boolean
}

const isContent = ({ format }: Notebook): boolean => format.name === 'raw'

/** A format beside which a partition table may stand: a hybrid ISO, and raw bytes with a trailer. */
function mayHoldTable({ format, facts }: Notebook): boolean {
  return format.name === 'iso' || facts.isTrailer
}

/** What is said about the image as a whole. */
function overall(evidence: Evidence, hits: readonly Notebook[]): FindingCode[] {
  const { notebooks, expected } = evidence
  const [first] = hits
  const hasTable = notebooks.some((one) => isContent(one) && one.facts.isPlausible)
  const codes: FindingCode[] = []
  if (hits.length > 1 || (first !== undefined && hasTable && !mayHoldTable(first)))
    codes.push('POLYGLOT')
  const ruledOut =
    expected === 'raw'
      ? hits.length > 0
      : expected !== undefined &&
        notebooks.every(({ format, isMatch }) => format.name !== expected || isMatch === false)
  if (ruledOut) codes.push('FORMAT_MISMATCH')
  return codes
}

function findings(evidence: Evidence, hits: readonly Notebook[]): Finding[] {
  const [first] = hits
  const isRaw = first === undefined || first.facts.isTrailer
  const counted = evidence.notebooks.filter((one) => (isContent(one) ? isRaw : one.isMatch))
  const general = overall(evidence, hits).map((code) => findingOf(code, 0, evidence.severities))
  return [
    ...general.filter((finding) => finding !== undefined),
    ...counted.flatMap((one) => one.findings)
  ]
}

function contentOf(evidence: Evidence, first: Notebook | undefined): string | undefined {
  if (first !== undefined && !mayHoldTable(first)) return undefined
  const found = evidence.notebooks
    .filter((one) => isContent(one) && (first?.format.name !== 'iso' || one.facts.isPlausible))
    .find((one) => one.facts.content !== undefined)?.facts.content
  return found ?? (evidence.isComplete && first?.format.name !== 'iso' ? 'unknown' : undefined)
}

/** What the notes of all readers say together. */
export function judgementOf(evidence: Evidence): Report {
  const hits = evidence.notebooks.filter((one) => !isContent(one) && one.isMatch === true)
  const [first] = hits
  const found = findings(evidence, hits)
  const isUnsafe = found.some(({ severity }) => severity === 'reject')
  const { isComplete, size } = evidence
  return {
    format: first?.format.name ?? 'raw',
    subformat: first?.facts.subformat,
    virtualSize: first === undefined && isComplete ? size : first?.virtualSize,
    content: contentOf(evidence, first),
    encrypted: first?.facts.encrypted ?? false,
    compressedBy: first?.facts.compressedBy,
    declaredSize: first?.facts.declaredSize,
    verdict: isUnsafe ? 'unsafe' : isComplete ? 'safe' : 'indeterminate',
    findings: found,
    size,
    members: first?.facts.members ?? [],
    ...(first?.facts.inner === undefined ? {} : { inner: first.facts.inner }),
    ...(first?.facts.appliance === undefined ? {} : { appliance: first.facts.appliance })
  }
}
