import type { Finding, Report } from '@tank/inspect'
import { bytesText, table } from '../admin/sizes.ts'
import { printable } from '../output/printable.ts'

function sizeText(bytes: number | undefined): string {
  return bytes === undefined ? '-' : `${bytesText(bytes)} (${bytes} bytes)`
}

function rows(report: Report): string[][] {
  const { format, subformat, content, compressedBy, declaredSize, encrypted } = report
  const kind = [format, ...(subformat === undefined ? [] : [subformat])].join(', ')
  return [
    ['format', kind],
    ...(content === undefined ? [] : [['holds', content]]),
    ['size', sizeText(report.size)],
    ['virtual size', sizeText(report.virtualSize)],
    ...(compressedBy === undefined ? [] : [['unpacked', `${sizeText(declaredSize)}, it says`]]),
    ...(encrypted ? [['encrypted', 'yes']] : []),
    ['verdict', report.verdict]
  ]
}

function findingRow({ severity, code, offset, member, message }: Finding): string[] {
  const where = member === undefined ? '' : `, member ${member}`
  return [severity, code, `byte ${offset}${where}`, message]
}

/** A report for people. */
export function reportText(report: Report): string {
  const parts = [table(rows(report))]
  if (report.members.length > 0) {
    const members = report.members.map(({ name, size, report: own }, index) => [
      `${index}`,
      printable(name),
      bytesText(size),
      own === undefined ? '-' : own.format,
      own === undefined ? '-' : own.verdict
    ])
    const facts = Object.entries(report.appliance ?? {})
    if (facts.length > 0) {
      const said = facts.map(([name, value]) => [name, printable(String(value))])
      parts.push(`What its description says:\n${table(said)}`)
    }
    parts.push(table([['MEMBER', 'NAME', 'SIZE', 'FORMAT', 'VERDICT'], ...members]))
  }
  if (report.inner !== undefined) {
    parts.push(`What it holds, as far as it was unpacked:\n${table(rows(report.inner))}`)
  }
  if (report.findings.length > 0) {
    parts.push(table([['WEIGHT', 'FINDING', 'WHERE', 'IT'], ...report.findings.map(findingRow)]))
  }
  return parts.join('\n')
}

/** A report as the fields of a record. */
export function reportRecord(report: Report): Record<string, unknown> {
  const { format, subformat, virtualSize, content, encrypted, compressedBy } = report
  const { declaredSize, verdict, findings, size, members, inner, appliance } = report
  return {
    format,
    subformat: subformat ?? null,
    size,
    virtual_size: virtualSize ?? null,
    content: content ?? null,
    encrypted,
    compressed_by: compressedBy ?? null,
    declared_size: declaredSize ?? null,
    verdict,
    findings,
    members: members.map(({ report: own, ...member }) => ({
      ...member,
      ...(own === undefined ? {} : { report: reportRecord(own) })
    })),
    ...(inner === undefined ? {} : { inner: reportRecord(inner) }),
    ...(appliance === undefined ? {} : { appliance })
  }
}
