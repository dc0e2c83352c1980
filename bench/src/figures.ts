/** All runs of one measure on one target. */
type Runs = readonly number[]

/** One line of a table. */
interface Measure {
  readonly title: string
  readonly unit: string
  /** Digits behind the point. */
  readonly digits: number
  /** True when less is better. */
  readonly less: boolean
  /** False for figures that say nothing about a target. */
  readonly compared?: boolean
  /** What Tank is to reach, in words. */
  readonly goal?: string
  readonly runs: Map<string, number[]>
}

/** Figures of a run, in the order in which they were first noted. */
export interface Figures {
  readonly measures: ReadonlyMap<string, Measure>
  note(measure: Omit<Measure, 'runs'>, target: string, value: number): void
}

export function createFigures(): Figures {
  const measures = new Map<string, Measure>()
  return {
    measures,
    note(measure, target, value) {
      if (!Number.isFinite(value)) return
      const known = measures.get(measure.title) ?? { ...measure, runs: new Map() }
      measures.set(measure.title, known)
      known.runs.set(target, [...(known.runs.get(target) ?? []), value])
    }
  }
}

function median(values: Runs): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** How many times better the first is than the other. */
function ratio(measure: Measure, first: string, other: string): number {
  if (measure.compared === false) return Number.NaN
  const one = median(measure.runs.get(first) ?? [])
  const two = median(measure.runs.get(other) ?? [])
  return measure.less ? two / one : one / two
}

export function show(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

/** Median, with the extremes when they differ. */
function showRuns(runs: Runs | undefined, digits: number): string {
  if (runs === undefined || runs.length === 0) return '–'
  const text = show(median(runs), digits)
  const low = show(Math.min(...runs), digits)
  const high = show(Math.max(...runs), digits)
  return low === high ? text : `${text} (${low}–${high})`
}

/** A Markdown table of all measures, with a column of ratios for each target but the first. */
export function figuresTable(
  figures: Figures,
  targets: readonly string[],
  withRatios = true
): string {
  const [first = '', ...rest] = targets
  const others = withRatios ? rest : []
  const goals = others.length > 0 && [...figures.measures.values()].some((one) => one.goal)
  const head = ['measure', ...targets, ...others.map((other) => `${first} : ${other}`)]
  if (goals) head.push('goal')
  const rows = [...figures.measures.values()].map((measure) => [
    `${measure.title}, ${measure.unit}`,
    ...targets.map((target) => showRuns(measure.runs.get(target), measure.digits)),
    ...others.map((other) => showRatio(ratio(measure, first, other))),
    ...(goals ? [measure.goal ?? ''] : [])
  ])
  return markdownTable(head, rows)
}

function showRatio(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)} ×` : '–'
}

export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[]
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
