import { FAMILIES } from '../command-table.ts'
import { type CommandShape, firstWords, secondWords } from './command-shapes.ts'

/** A text between single quotes of fish. */
const quoted = (text: string) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`

function wordLines(condition: string, pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.map(
    ([name, summary]) =>
      `complete -c tank -f -n ${quoted(condition)} -a ${quoted(name)} -d ${quoted(summary)}`
  )
}

function commandLines({ name, flags, choices }: CommandShape): string[] {
  const condition = quoted(`__tank_is ${name}`)
  const lines = flags.map(({ name: flag, short, type, choices: values, help }) => {
    const form = `-l ${flag}${short === undefined ? '' : ` -s ${short}`}`
    const taken = values === undefined ? ' -r' : ` -x -a ${quoted(values.join(' '))}`
    return `complete -c tank -n ${condition} ${form}${type === 'string' ? taken : ''} -d ${quoted(help)}`
  })
  if (choices.length === 0) return lines
  return [...lines, `complete -c tank -f -n ${condition} -a ${quoted(choices.join(' '))}`]
}

/** The completion of fish. */
export function fishCompletion(shapes: readonly CommandShape[]): string {
  return `# Completion of tank for fish: tank completion fish | source
function __tank_is
    set -l typed (commandline -opc)
    set -l last (math (count $argv) + 1)
    test (count $typed) -ge $last; or return 1
    test "$typed[2..$last]" = "$argv"
end
function __tank_has
    test (count (commandline -opc)) -eq (math (count $argv) + 1); and __tank_is $argv
end
${[
  ...wordLines('test (count (commandline -opc)) -eq 1', firstWords(shapes)),
  ...Object.keys(FAMILIES).flatMap((each) =>
    wordLines(`__tank_has ${each}`, secondWords(shapes, each))
  ),
  ...shapes.flatMap(commandLines)
].join('\n')}
`
}
