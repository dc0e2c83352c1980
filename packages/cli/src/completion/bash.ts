import { FAMILIES } from '../command-table.ts'
import { type CommandShape, firstWords, formsOf, quoted, secondWords } from './command-shapes.ts'

const names = (pairs: readonly (readonly [string, string])[]) =>
  pairs.map(([name]) => name).join(' ')

function flagCases({ name, flags }: CommandShape): string[] {
  return flags
    .filter(({ type }) => type === 'string')
    .map((flag) => {
      const patterns = formsOf(flag).map((form) => quoted(`${name} ${form}`))
      return `    ${patterns.join('|')}) values=${quoted(flag.choices?.join(' ') ?? '')}; takes=1 ;;`
    })
}

function wordCases({ name, flags, choices }: CommandShape): string {
  const all = flags.flatMap(formsOf).join(' ')
  return `    ${quoted(name)}) flags=${quoted(all)}; words=${quoted(choices.join(' '))} ;;`
}

/** The completion of bash 3.2 and later. */
export function bashCompletion(shapes: readonly CommandShape[]): string {
  const families = Object.keys(FAMILIES)
  return `# Completion of tank for bash: source <(tank completion bash)
_tank() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local name="\${COMP_WORDS[1]}" at=2 values='' takes='' flags='' words=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quoted(names(firstWords(shapes)))} -- "$cur"))
    return
  fi
  case "$name" in
    ${families.join('|')})
      if [ "$COMP_CWORD" -eq 2 ]; then
        case "$name" in
${families.map((each) => `          ${each}) words=${quoted(names(secondWords(shapes, each)))} ;;`).join('\n')}
        esac
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
        return
      fi
      name="$name \${COMP_WORDS[2]}"
      at=3
      ;;
  esac
  case "$name $prev" in
${shapes.flatMap(flagCases).join('\n')}
  esac
  if [ -n "$takes" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
    return
  fi
  case "$name" in
${shapes.map(wordCases).join('\n')}
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *) if [ "$COMP_CWORD" -eq "$at" ]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); fi ;;
  esac
}
complete -o default -F _tank tank
`
}
