import type { FindingCode } from '../findings.ts'

/** Longer descriptions are not read. */
export const MOST_OVF = 2 ** 20
const MOST_DEPTH = 64
/** More than an archive may have. */
const MOST_FILES = 256
/** In another encoding the same bytes may be other characters, and so hide a document type. */
const DECLARATION =
  /^<\?xml\s+version\s*=\s*["']1\.0["'](?:\s+encoding\s*=\s*["'](?:utf-8|us-ascii|iso-8859-1)["'])?(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>/i
const TAG =
  /<(\/?)([A-Za-z_][\w.:-]*)((?:[\t\r\n ]+[A-Za-z_][\w.:-]*[\t\r\n ]*=[\t\r\n ]*(?:"[^"<]*"|'[^'<]*'))*)[\t\r\n ]*(\/?)>/y
const ATTRIBUTE = /([A-Za-z_][\w.:-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g
/** Attributes that name a file, or from where on others do. */
const NAMES_FILE = /^(?:(?:[\w.-]+:)?href|xml:base)$/
const ENTITY = /&(?!(?:amp|lt|gt|quot|apos);)/
const SKIPPED: readonly (readonly [string, string])[] = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>']
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

/** Where a comment or a CDATA section ends; NaN when it never does, undefined where none begins. */
export function skip(xml: string, at: number): number | undefined {
  for (const [begin, end] of SKIPPED) {
    if (!xml.startsWith(begin, at)) continue
    const to = xml.indexOf(end, at + begin.length)
    return to < 0 ? Number.NaN : to + end.length
  }
  return undefined
}

const isText = (xml: string): boolean => !/[^\t\r\n\x20-\xff]/.test(xml)

/** Where the text begins behind its declaration; one that is not as usual is no text. */
function beginOf(xml: string): number {
  const mark = xml.startsWith('\xef\xbb\xbf') ? 3 : 0
  const [declaration = ''] = DECLARATION.exec(xml.slice(mark, mark + 256)) ?? []
  return mark + declaration.length
}

/** The files that attributes name. */
function filesIn(attributes: string): string[] {
  // most tags name none, and an appliance may have a megabyte of attributes
  if (!/href|xml:base/.test(attributes)) return []
  return [...attributes.matchAll(ATTRIBUTE)]
    .filter(([, name = '']) => NAMES_FILE.test(name))
    .map(([, , double, single]) => unescaped(double ?? single ?? ''))
}

/** Goes over tags and attributes; undefined where the text is not well-formed. */
function filesOf(xml: string, begin: number): ReadonlySet<string> | undefined {
  const files = new Set<string>()
  const open: string[] = []
  let roots = 0
  for (let from = begin; ; ) {
    const next = xml.indexOf('<', from)
    const at = next < 0 ? xml.length : next
    if (open.length === 0 && /[^\t\r\n ]/.test(xml.slice(from, at))) return undefined
    if (next < 0) return roots === 1 && open.length === 0 ? files : undefined
    const behind = skip(xml, at)
    if (behind === undefined) {
      TAG.lastIndex = at
      const tag = TAG.exec(xml)
      if (tag === null) return undefined
      const [, closing, name = '', attributes = '', empty] = tag
      if (open.length === 0 && ++roots > 1) return undefined
      if (closing === '/' && open.pop() !== name) return undefined
      if (closing === '' && empty === '' && open.push(name) > MOST_DEPTH) return undefined
      for (const file of filesIn(attributes)) files.add(file)
      if (files.size > MOST_FILES) return undefined
      from = TAG.lastIndex
    } else if (Number.isNaN(behind)) return undefined
    else from = behind
  }
}

/**
 * Reads the description of an appliance (OVF 2.1). This is no XML parser: it knows tags and attributes,
 * and refuses whatever would make a parser read or expand anything (S-32).
 */
export function readOvf(xml: string): Ovf {
  if (/<!(?!--|\[CDATA\[)/.test(xml) || ENTITY.test(xml)) return { codes: ['OVF_DTD'], files: [] }
  const files = isText(xml) ? filesOf(xml, beginOf(xml)) : undefined
  return files === undefined ? broken : { codes: [], files: [...files] }
}
