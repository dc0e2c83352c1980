import { bytesText, table } from '../admin/sizes.ts'
import { type CommandCall, type Flag, text, texts, UsageError } from '../command-line.ts'
import { printable } from './printable.ts'

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
    .map((each) => each.trim().toLowerCase())
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

/** Records have fields of their own, too: only what none of them has is a mistake. */
function checkColumns(records: readonly Fields[], columns: readonly string[]): void {
  const unknown = columns.find((column) => !records.some((each) => Object.hasOwn(each, column)))
  if (unknown === undefined || records.length === 0) return
  const known = Object.keys(records[0] ?? {}).join(', ')
  throw new UsageError(`There is no field "${unknown}". There are: ${known}.`)
}

const title = (column: string) => column.replaceAll('_', ' ').toUpperCase()

async function structured(format: 'json' | 'yaml', value: unknown): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`
  const { stringify } = await import('yaml')
  return stringify(value)
}

/** Many records as text: rows below titles, or whatever was asked for. */
export async function presentList(
  records: readonly Fields[],
  { format, columns }: Presentation,
  usual: readonly string[]
): Promise<string> {
  if (columns !== undefined) checkColumns(records, columns)
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
  { format, columns }: Presentation
): Promise<string> {
  if (columns !== undefined) checkColumns([record], columns)
  const picked = columns ?? Object.keys(record)
  if (format === 'value') return picked.map((column) => `${bare(record[column])}\n`).join('')
  if (format !== 'table') return await structured(format, chosen(record, columns))
  return table(picked.map((column) => [printable(column), cell(column, record[column])]))
}
