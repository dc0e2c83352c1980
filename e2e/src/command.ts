import { execFile } from 'node:child_process'

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly timeoutMs?: number
}

/** Runs a command to its end; a code other than 0 is an answer, not an error. */
export function command(
  file: string,
  args: readonly string[],
  options: CommandOptions = {}
): Promise<Outcome> {
  const { env = process.env, cwd, timeoutMs = 60_000 } = options
  return new Promise((resolve) => {
    const settings = { env, cwd, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 }
    const child = execFile(file, args, settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : (child.exitCode ?? 1)
      resolve({ code, stdout, stderr: error === null ? stderr : `${stderr}${error.message}` })
    })
  })
}
