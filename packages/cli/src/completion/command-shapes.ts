import { FLAGS, type Flag } from '../command-line.ts'
import { COMMANDS, FAMILIES } from '../command-table.ts'

/** What a shell has to know of a command. */
export interface CommandShape {
  readonly name: string
  readonly summary: string
  readonly flags: readonly (Flag & { readonly name: string })[]
  /** What its first word can be, where that is a choice. */
  readonly choices: readonly string[]
}

/** The alternatives that usage texts begin with, such as `create|list|revoke [TOKEN]`. */
function alternatives(words = ''): string[] {
  const [first = ''] = words.split(' ')
  return /^[a-z-]+(\|[a-z-]+)+$/.test(first) ? first.split('|') : []
}

/** Every command, from the table that the program itself goes by. */
export async function commandShapes(): Promise<CommandShape[]> {
  const own: Readonly<Record<string, Flag>> = { help: FLAGS.help }
  return await Promise.all(
    [...COMMANDS].map(async ([name, { summary, load }]) => {
      const { flags, words } = await load()
      const all = Object.entries({ ...flags, ...own })
      return {
        name,
        summary,
        flags: all.map(([flag, shape]) => ({ ...shape, name: flag })),
        choices: alternatives(words)
      }
    })
  )
}

/** What can stand first, and what it is. */
export function firstWords(shapes: readonly CommandShape[]): [name: string, summary: string][] {
  const single = shapes.filter(({ name }) => !name.includes(' '))
  return [
    ...single.map(({ name, summary }): [string, string] => [name, summary]),
    ...Object.entries(FAMILIES),
    ['help', 'Shows the help of a command.'],
    ['version', 'Shows the version.']
  ]
}

/** What can stand second after the name of a family. */
export function secondWords(
  shapes: readonly CommandShape[],
  family: string
): [name: string, summary: string][] {
  return shapes
    .filter(({ name }) => name.startsWith(`${family} `))
    .map(({ name, summary }) => [name.slice(family.length + 1), summary])
}

/** A text between single quotes of a POSIX shell. */
export const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** A flag as it is typed, in all its forms. */
export const formsOf = ({ name, short }: CommandShape['flags'][number]) =>
  short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`]
