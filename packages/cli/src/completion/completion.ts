import { type Command, EXIT, UsageError } from '../command-line.ts'
import { bashCompletion } from './bash.ts'
import { type CommandShape, commandShapes } from './command-shapes.ts'
import { fishCompletion } from './fish.ts'
import { zshCompletion } from './zsh.ts'

const SHELLS: Readonly<Record<string, (shapes: readonly CommandShape[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion
}

export const completion: Command = {
  words: 'bash|zsh|fish',
  details: 'Prints a script that the shell reads, in a file of its start or by hand.',
  examples: [
    'source <(tank completion bash)',
    'source <(tank completion zsh)',
    'tank completion fish | source'
  ],
  flags: {},
  async run({ words: [shell = '', extra], print }) {
    const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
    if (script === undefined || extra !== undefined) {
      throw new UsageError('Say tank completion bash, zsh or fish.')
    }
    print(script(await commandShapes()))
    return EXIT.done
  }
}
