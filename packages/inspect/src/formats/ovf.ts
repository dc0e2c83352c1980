import type { FindingCode } from '../findings.ts'

/** Longer descriptions are not read. */
export const MOST_OVF = 2 ** 20
const MOST_DEPTH = 64
const TAG =
  /<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y
const HREF = /\s(?:[\w.-]+:)?href\s*=\s*(?:"([^"]*)"|'([^']*)')/g
const ENTITY = /&(?!(?:amp|lt|gt|quot|apos);)/
const SKIPPED: readonly (readonly [string, string])[] = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>']
]

/** What an appliance's description says that matters here. */
export interface Ovf {
  readonly codes: readonly FindingCode[]
  /** The files that it names. */
  readonly files: readonly string[]
}

const broken: Ovf = { codes: ['OVF_SYNTAX'], files: [] }

function unescaped(text: string): string {
  const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => names[name] ?? '')
}

/** Where a comment, a processing instruction or a CDATA section ends; NaN when it never does. */
function skip(xml: string, at: number): number | undefined {
  for (const [begin, end] of SKIPPED) {
    if (!xml.startsWith(begin, at)) continue
    const to = xml.indexOf(end, at + begin.length)
    return to < 0 ? Number.NaN : to + end.length
  }
  return undefined
}

/**
 * Reads the description of an appliance (OVF 2.1). This is no XML parser: it knows tags and attributes,
 * and refuses whatever would make a parser read or expand anything (S-32).
 */
export function readOvf(xml: string): Ovf {
  if (/<!(?!--|\[CDATA\[)/.test(xml) || ENTITY.test(xml)) return { codes: ['OVF_DTD'], files: [] }
  const files = new Set<string>()
  const open: string[] = []
  let count = 0
  for (let at = xml.indexOf('<'); at >= 0; ) {
    const behind = skip(xml, at)
    if (behind === undefined) {
      TAG.lastIndex = at
      const tag = TAG.exec(xml)
      if (tag === null) return broken
      const [, closing, name = '', attributes = '', empty] = tag
      count++
      if (closing === '/' && open.pop() !== name) return broken
      if (closing === '' && empty === '' && open.push(name) > MOST_DEPTH) return broken
      for (const [, double, single] of attributes.matchAll(HREF))
        files.add(unescaped(double ?? single ?? ''))
      at = TAG.lastIndex
    } else if (Number.isNaN(behind)) return broken
    else at = behind
    at = xml.indexOf('<', at)
  }
  return count > 0 && open.length === 0 ? { codes: [], files: [...files] } : broken
}
