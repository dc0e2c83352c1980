import { FAMILIES } from '../command-table.ts'
import { type CommandShape, firstWords, quoted, secondWords } from './command-shapes.ts'

/** What brackets and colons would mean to `_arguments`. */
const plain = (text: string) => text.replaceAll(/[[\]:\\]/g, '\\$&')

function described(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([name, summary]) => quoted(`${name}:${plain(summary)}`)).join(' ')
}

function flagSpec(flag: CommandShape['flags'][number]): string {
  const { name, short, type, value = '', choices, help, multiple } = flag
  const forms = short === undefined ? `--${name}` : `{-${short},--${name}}`
  const others = multiple ? "'*'" : short === undefined ? '' : `'(-${short} --${name})'`
  const action = choices === undefined ? '_files' : `(${choices.join(' ')})`
  const taken = type === 'string' ? `:${plain(value)}:${action}` : ''
  return `${others}${forms}${quoted(`[${plain(help)}]${taken}`)}`
}

function commandCase({ name, flags, choices }: CommandShape): string {
  const words = choices.length === 0 ? '*:file:_files' : `1:what:(${choices.join(' ')})`
  const specs = [...flags.map(flagSpec), quoted(words)]
  return `    ${quoted(name)}) _arguments -s ${specs.join(' ')} ;;`
}

/** The completion of zsh. */
export function zshCompletion(shapes: readonly CommandShape[]): string {
  const families = Object.keys(FAMILIES)
  return `#compdef tank
# Completion of tank for zsh: source <(tank completion zsh)
_tank() {
  local name="\${words[2]}"
  local -a found
  if (( CURRENT == 2 )); then
    found=(${described(firstWords(shapes))})
    _describe -t commands command found
    return
  fi
  case "$name" in
    ${families.join('|')})
      if (( CURRENT == 3 )); then
        case "$name" in
${families.map((each) => `          ${each}) found=(${described(secondWords(shapes, each))}) ;;`).join('\n')}
        esac
        _describe -t commands command found
        return
      fi
      name="$name \${words[3]}"
      shift 2 words
      (( CURRENT -= 2 ))
      ;;
    *)
      shift words
      (( CURRENT -= 1 ))
      ;;
  esac
  case "$name" in
${shapes.map(commandCase).join('\n')}
  esac
}
compdef _tank tank
`
}
