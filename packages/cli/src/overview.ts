import { EXIT, twoColumns, UsageError } from './command-line.ts'
import { COMMANDS, FAMILIES, familyOf, SECTIONS } from './command-table.ts'

const EXIT_CODES = [
  [String(EXIT.done), 'done'],
  [String(EXIT.failed), 'failed'],
  [String(EXIT.usage), 'a mistake in the command line or the configuration'],
  [String(EXIT.notFound), 'there is no such image, or several'],
  [String(EXIT.refused), 'the service does not know the caller, or does not let it'],
  [String(EXIT.unreachable), 'no service answers'],
  [String(EXIT.unsafe), 'tank inspect: the image is unsafe'],
  [String(EXIT.undecided), 'tank inspect: not all was seen that has to be seen'],
  [String(EXIT.interrupted), 'interrupted by Ctrl-C']
]

/** The rows of a section; a family of commands is one row. */
function rowsOf(commands: (typeof SECTIONS)[number]['commands']): string[][] {
  const seen = new Set<string>()
  return Object.entries(commands).flatMap(([name, { summary }]) => {
    const [first = ''] = name.split(' ')
    const family = Object.hasOwn(FAMILIES, first) ? FAMILIES[first] : undefined
    if (family === undefined) return [[name, summary]]
    if (seen.has(first)) return []
    seen.add(first)
    return [[`${first} …`, family]]
  })
}

/** What `tank help` shows. */
export function overview(): string {
  const own = [
    ['version', 'Shows the version.'],
    ['help [COMMAND]', 'Shows this, or the help of a command.']
  ]
  const sections = [
    ...SECTIONS.map(({ title, commands }) => ({ title, rows: rowsOf(commands) })),
    { title: 'Help', rows: own },
    { title: 'Exit codes', rows: EXIT_CODES }
  ]
  const columns = twoColumns(sections.flatMap(({ rows }) => rows))
  const lines = sections.flatMap(({ title, rows }) => [
    '',
    `${title}:`,
    ...columns.splice(0, rows.length)
  ])
  return [
    'Tank stores, describes and serves images of virtual machines.',
    '',
    'tank COMMAND [flags]',
    ...lines,
    '',
    'To begin: tank serve',
    ''
  ].join('\n')
}

/** What `tank help image` shows: the commands of a family. */
export function familyHelp(first: string): string {
  const rows = [...familyOf(first)].map(([second, { summary }]) => [`${first} ${second}`, summary])
  return [
    `tank ${first} COMMAND [flags]`,
    '',
    FAMILIES[first],
    '',
    ...twoColumns(rows),
    '',
    `See tank help ${first} COMMAND.`,
    ''
  ].join('\n')
}

/** Number of letters to add, take away, change or swap to make one word of another. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + same,
        swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
      )
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}

/** The mistake of a command that does not exist, with the one that was probably meant. */
export function unknownCommand(words: readonly string[]): UsageError {
  const [first = '', second = ''] = words
  const isFamily = Object.hasOwn(FAMILIES, first)
  const said = isFamily ? `${first} ${second}` : first
  const known = [...COMMANDS.keys(), ...Object.keys(FAMILIES)]
  const near = known
    .map((name) => ({ name, off: distance(said, name) }))
    .filter(({ off }) => off <= 2)
    .sort((a, b) => a.off - b.off)[0]
  const hint = near === undefined ? '' : ` Did you mean "${near.name}"?`
  return new UsageError(
    `There is no command "${said}".${hint} See tank help${isFamily ? ` ${first}` : ''}.`
  )
}
