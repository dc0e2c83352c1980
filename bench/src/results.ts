import { readFile, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'

export interface PartResult {
  readonly part: 'load' | 'stores' | 'pages' | 'memory' | 'startup' | 'inspection'
  readonly table: string
  readonly notes: readonly string[]
}

const TITLES: Readonly<Record<PartResult['part'], string>> = {
  load: 'Load',
  stores: 'Stores',
  pages: 'Pages of the catalogue',
  memory: 'Memory',
  startup: 'Start of the command line',
  inspection: 'Inspection'
}
const ORDER = ['load', 'stores', 'pages', 'memory', 'startup', 'inspection'] as const

/** Renews one part of the results; the others, and what was written by hand, stay as they are. */
export async function writeResults(file: string, result: PartResult): Promise<void> {
  const head = '# Results\n\nWritten by the benchmark; how it is run is in the README.\n'
  const old = await readFile(file, 'utf8').catch(() => head)
  await writeFile(file, withPart(old, result))
}

function withPart(text: string, result: PartResult): string {
  const rendered = renderPart(result)
  const old = placeOf(text, result.part)
  if (old !== undefined) return `${text.slice(0, old.from)}${rendered}${text.slice(old.to)}`
  const before = ORDER.slice(0, ORDER.indexOf(result.part))
    .map((part) => placeOf(text, part)?.to)
    .findLast((to) => to !== undefined)
  const at = before ?? text.indexOf('\n', text.indexOf('\n\n') + 2)
  return `${text.slice(0, at)}\n\n${rendered}${text.slice(at)}`
}

export function renderPart(result: PartResult): string {
  const { part, table, notes } = result
  const lines = notes.map((note) => `- ${note}`).join('\n')
  return `<!-- ${part} -->\n## ${TITLES[part]}\n\n${lines}\n\n${table}\n<!-- /${part} -->`
}

function placeOf(text: string, part: string): { from: number; to: number } | undefined {
  const end = `<!-- /${part} -->`
  const from = text.indexOf(`<!-- ${part} -->`)
  const to = text.indexOf(end)
  return from === -1 || to === -1 ? undefined : { from, to: to + end.length }
}

/** When, where and how it was measured. Process ids and secrets are left out of the command. */
export function describeRun(args: readonly string[]): string[] {
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const command = args.map((arg) =>
    arg
      .replace(/(pid|db)=\d+/g, '$1=…')
      .replace(/token=[^,]*/, 'token=…')
      .replace(/:\/\/[^@/]*@/, '://…@')
      .replace(/((?:key|secret|password)[-\w]*[= ]+)[^\s"']+/gi, '$1…')
      .replace(/^((?:authorization|x-auth-token)\s*:).*/i, '$1 …')
  )
  return [
    `date: ${new Date().toISOString().slice(0, 10)}`,
    `machine: ${cpus().length} × ${cpu?.model.trim()}, ${memory} GiB, Linux ${release()}, Node.js ${process.version}`,
    `command: \`npm run bench -- ${command.map(quote).join(' ')}\``
  ]
}

function quote(arg: string): string {
  return /[^\w:/.,=@%+…-]/.test(arg) ? `'${arg}'` : arg
}
