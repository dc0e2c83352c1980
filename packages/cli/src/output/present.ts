import { bytesText, table } from '../admin/sizes.ts'
import { type CommandCall, type Flag, text, texts, UsageError } from '../command-line.ts'
import { isUnsafe, printable } from './printable.ts'

const FORMATS = ['table', 'json', 'yaml', 'value'] as const
type Format = (typeof FORMATS)[number]

/** How a result is shown. */
export interface Presentation {
  readonly format: Format
  /** The fields that were asked for. */
  readonly columns: readonly string[] | undefined
}

export const OUTPUT_FLAGS = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    choices: FORMATS,
    help: 'table, json, yaml, or value: bare values between tabs (table)'
  },
  columns: {
    type: 'string',
    short: 'c',
    value: 'FIELD,…',
    multiple: true,
    help: 'which fields; may be repeated'
  }
} as const satisfies Record<string, Flag>

/** A record as a service sends it. */
export type Fields = Readonly<Record<string, unknown>>

const isFormat = (value: string): value is Format => FORMATS.some((format) => format === value)

/** What the flags say about the form of the result. */
export function presentationOf(call: CommandCall): Presentation {
  const format = text(call, 'output') ?? 'table'
  if (!isFormat(format)) {
    throw new UsageError(`--output is ${FORMATS.join(', ')}, not "${format}".`)
  }
  const columns = texts(call, 'columns')
    .flatMap((each) => each.split(','))
    .map((each) => each.trim())
    .filter((each) => each !== '')
  return { format, columns: columns.length === 0 ? undefined : columns }
}

const BYTES = new Set(['size', 'virtual_size'])

/** A value for people. */
function cell(column: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '-'
  if (typeof value === 'number' && BYTES.has(column)) return bytesText(value)
  return bare(value) || '-'
}

/** A value for programs, on one line. */
function bare(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(bare).join(',')
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

function chosen(record: Fields, columns: readonly string[] | undefined): Fields {
  if (columns === undefined) return record
  return Object.fromEntries(columns.map((column) => [column, record[column] ?? null]))
}

/** The fields that are meant: properties may have capitals, those of every image have none. */
function namedIn(
  records: readonly Fields[],
  columns: readonly string[],
  onUnknown: (mistake: string) => void
): readonly string[] {
  // records have fields of their own, too: only what none of them has is a mistake
  const isKnown = (name: string) => records.some((each) => Object.hasOwn(each, name))
  return columns.map((column) => {
    const found = [column, column.toLowerCase()].find(isKnown)
    if (found === undefined && records.length > 0) {
      const known = Object.keys(records[0] ?? {}).join(', ')
      onUnknown(`There is no field "${column}". There are: ${known}.`)
    }
    return found ?? column
  })
}

function refuse(mistake: string): never {
  throw new UsageError(mistake)
}

const title = (column: string) => column.replaceAll('_', ' ').toUpperCase()

async function structured(format: 'json' | 'yaml', value: unknown): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`
  const { Document, Scalar, visit } = await import('yaml')
  const document = new Document(value)
  visit(document, {
    Scalar(_, node) {
      // in quotes they can be escaped
      if (typeof node.value === 'string' && isUnsafe(node.value)) node.type = Scalar.QUOTE_DOUBLE
    }
  })
  return document.toString()
}

/** Many records as text: rows below titles, or whatever was asked for. */
export async function presentList(
  records: readonly Fields[],
  { format, columns: asked }: Presentation,
  usual: readonly string[]
): Promise<string> {
  const columns = asked && namedIn(records, asked, refuse)
  const picked = columns ?? usual
  if (format === 'value') {
    return records
      .map((record) => `${picked.map((column) => bare(record[column])).join('\t')}\n`)
      .join('')
  }
  if (format === 'table') {
    const rows = records.map((record) => picked.map((column) => cell(column, record[column])))
    return table([picked.map(title), ...rows])
  }
  return await structured(
    format,
    records.map((record) => chosen(record, columns))
  )
}

/** One record as text: a field on each line, or whatever was asked for. */
export async function presentRecord(
  record: Fields,
  { format, columns: asked }: Presentation,
  onUnknown: (mistake: string) => void = refuse
): Promise<string> {
  const columns = asked && namedIn([record], asked, onUnknown)
  const picked = columns ?? Object.keys(record)
  if (format === 'value') return picked.map((column) => `${bare(record[column])}\n`).join('')
  if (format !== 'table') return await structured(format, chosen(record, columns))
  return table(picked.map((column) => [printable(column), cell(column, record[column])]))
}

/** What a change has made of a record: too late to refuse a field that is not there. */
export async function presentChanged(
  record: Fields,
  presentation: Presentation,
  { printError }: CommandCall
): Promise<string> {
  return await presentRecord(record, presentation, (mistake) => printError(`${mistake}\n`))
}
