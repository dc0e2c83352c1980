import { CommandError, EXIT, type OutputStream } from '../command-line.ts'

/** What a command prints to standard output. */
export interface Result {
  print(text: string): void
  /** Resolves when all of it is written; a reader who has seen enough is no failure. */
  written(): Promise<void>
}

export function openResult(stdout: OutputStream): Result {
  let failure: NodeJS.ErrnoException | undefined
  const note = (error?: Error | null) => {
    failure ??= error ?? undefined
  }
  return {
    print: (text) => void stdout.write(text, note),
    async written() {
      // the bytes of an image end it
      if (stdout.writableEnded !== true) {
        await new Promise<void>((resolve) => {
          stdout.write('', (error) => {
            note(error)
            resolve()
          })
        })
      }
      if (failure === undefined || failure.code === 'EPIPE') return
      throw new CommandError(EXIT.failed, `the result could not be written: ${failure.message}`)
    }
  }
}
