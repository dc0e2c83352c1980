#!/usr/bin/env node
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { runCatalogue } from './catalogue.ts'
import { createFigures, figuresTable } from './figures.ts'
import { runInspection, WAYS } from './inspection.ts'
import { memoryTable, runMemory } from './memory.ts'
import { HELP, type Options, readOptions } from './options.ts'
import { pagesTable, runPages } from './pages.ts'
import { describeRun, type PartResult, renderPart, writeResults } from './results.ts'
import { runStartup } from './startup.ts'
import { runStores, TOOL } from './stores.ts'
import { runTransfers } from './transfers.ts'

const RESULTS = fileURLToPath(new URL('../../RESULTS.md', import.meta.url))

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

const SMALL = ['create', 'show', 'list', 'walk'] as const

const RUNS = 'median (lowest–highest) of all runs; several targets took turns'
const RATIOS = 'ratios say how many times better the first target is: above 1 is better everywhere'

interface Outcome {
  readonly table: string
  readonly notes: readonly string[]
  readonly figures: unknown
}

async function runLoadPart(options: Options): Promise<Outcome> {
  const figures = createFigures()
  const bench = { options, figures, say }
  const names = options.targets.map((target) => target.name)
  const { sections } = options
  if (sections.has('upload') || sections.has('download')) await runTransfers(bench)
  if (SMALL.some((name) => sections.has(name))) {
    await runCatalogue(bench)
  }
  return {
    table: figuresTable(figures, names),
    notes: names.length > 1 ? [RUNS, RATIOS] : [RUNS],
    figures: [...figures.measures.values()].map((measure) => ({
      ...measure,
      runs: Object.fromEntries(measure.runs)
    }))
  }
}

async function runPart(options: Options): Promise<Outcome> {
  if (options.part === 'pages') {
    const figures = await runPages(options, say)
    const notes = ['one request after the other on one connection; in brackets the ratio of p50']
    return { table: pagesTable(figures), notes, figures }
  }
  if (options.part === 'memory') {
    const figures = await runMemory(options, say)
    const notes = ['sums over the server’s processes, the database left out']
    return { table: memoryTable(figures), notes, figures }
  }
  if (options.part === 'stores') {
    const figures = createFigures()
    await runStores({ options, figures, say })
    const notes = [RUNS, RATIOS, 'the tool moves the same bytes to and from the same server']
    return {
      table: figuresTable(figures, [options.targets[0]?.name ?? '', TOOL]),
      notes,
      figures: []
    }
  }
  if (options.part === 'startup') {
    const { figures, columns } = runStartup(options, say)
    const notes = ['median (lowest–highest) of all runs; the commands took turns']
    return { table: figuresTable(figures, columns, false), notes, figures: [] }
  }
  if (options.part === 'inspection') {
    const figures = runInspection(options, say)
    const notes = [
      'for each second of CPU time, in chunks of 64 KiB; each image is followed by other bytes up to the size',
      'median (lowest–highest) of all runs; the ways took turns'
    ]
    return { table: figuresTable(figures, WAYS, false), notes, figures: [] }
  }
  return runLoadPart(options)
}

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args)
  if (options === undefined) {
    process.stdout.write(HELP)
    return
  }
  try {
    const { table, notes, figures } = await runPart(options)
    const all = [...describeRun(args), ...notes]
    const result: PartResult = { part: options.part, table, notes: all }
    process.stdout.write(`${renderPart(result)}\n`)
    if (options.out !== undefined) {
      await writeFile(
        options.out,
        `${JSON.stringify({ part: options.part, notes: all, figures })}\n`
      )
    }
    if (options.results !== 'none') await writeResults(options.results ?? RESULTS, result)
  } finally {
    await Promise.all(options.targets.map((target) => target.client.close()))
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
})
