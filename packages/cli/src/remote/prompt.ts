import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { type CommandCall, UsageError } from '../command-line.ts'
import { printableLines } from '../output/printable.ts'

/** Whether somebody sits at both ends. */
export function isInteractive({ streams }: CommandCall): boolean {
  return streams.stdin.isTTY === true && streams.stderr.isTTY === true
}

async function question(
  { streams }: CommandCall,
  text: string,
  {
    signal,
    secret = false
  }: { readonly signal?: AbortSignal | undefined; readonly secret?: boolean }
): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const shown = printableLines(text)
  // drawn again with each key: it has to be one line
  const prompt = secret ? '' : shown.slice(shown.lastIndexOf('\n') + 1)
  streams.stderr.write(shown.slice(0, shown.length - prompt.length))
  const lines = createInterface({
    input: streams.stdin,
    output: secret ? nowhere : streams.stderr,
    terminal: true
  })
  // in raw mode Ctrl-C is a key
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  try {
    const options = signal === undefined ? {} : { signal }
    return (await lines.question(prompt, options)).trim()
  } finally {
    lines.close()
    if (secret) streams.stderr.write('\n')
  }
}

/** A line that somebody types; what stands in brackets is taken for an empty one. */
export async function ask(
  call: CommandCall,
  text: string,
  {
    otherwise,
    signal
  }: { readonly otherwise?: string | undefined; readonly signal?: AbortSignal } = {}
): Promise<string> {
  const shown = otherwise === undefined ? `${text}: ` : `${text} [${otherwise}]: `
  for (;;) {
    const answer = await question(call, shown, { signal })
    if (answer !== '') return answer
    if (otherwise !== undefined) return otherwise
  }
}

/** A secret that somebody types; it is not shown. */
export function askSecret(call: CommandCall, text: string, signal?: AbortSignal): Promise<string> {
  return question(call, `${text}: `, { signal, secret: true })
}

/**
 * Whether to do what cannot be undone. Where nobody can be asked, `--yes` has to say it.
 */
export async function confirmed(
  call: CommandCall,
  text: string,
  signal?: AbortSignal
): Promise<boolean> {
  if (call.values.yes === true) return true
  if (!isInteractive(call)) {
    throw new UsageError(`${text} Nobody is at a terminal to say so: --yes does.`)
  }
  const answer = await question(call, `${text} [y/N] `, { signal })
  return /^y(es)?$/i.test(answer)
}

/** A question that an empty line, or nobody at a terminal, answers with `otherwise`. */
export async function choose(
  call: CommandCall,
  text: string,
  { otherwise, signal }: { readonly otherwise: boolean; readonly signal?: AbortSignal }
): Promise<boolean> {
  if (!isInteractive(call)) return otherwise
  const answer = await question(call, `${text} ${otherwise ? '[Y/n]' : '[y/N]'} `, { signal })
  return answer === '' ? otherwise : /^y(es)?$/i.test(answer)
}
