import { spawn } from 'node:child_process'

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

/** Runs a command to its end, without input; a code other than 0 is an answer, not an error. */
export function command(
  file: string,
  args: readonly string[],
  options: CommandOptions = {}
): Promise<Outcome> {
  const { env = process.env, cwd, timeoutMs = 60_000 } = options
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      env,
      cwd,
      timeout: timeoutMs,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', (error) =>
      resolve({ code: 127, stdout, stderr: `${stderr}${error.message}` })
    )
    child.on('close', (code, signal) => {
      if (signal !== null) stderr += `ended by ${signal} (${timeoutMs} ms are allowed)`
      resolve({ code: code ?? 128, stdout, stderr })
    })
  })
}
