import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { KilledWriter } from './options.ts'

const program = fileURLToPath(new URL('./writer-process.js', import.meta.url))

/** Lets another process put to a key, and kills it once so many bytes have gone in. */
export async function writeAndKill(
  writer: KilledWriter,
  key: string,
  bytes: number
): Promise<void> {
  const child = fork(program, [writer.module.href, key, String(bytes)], {
    env: { ...process.env, ...writer.env },
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const exit = once(child, 'exit')
  // The store may hold back its last bytes, so some time passes between "sent" and the end.
  child.on('message', () => setTimeout(() => child.kill('SIGKILL'), 100))
  const [code, signal] = await exit
  if (signal !== 'SIGKILL') {
    throw new Error(`the writer ended by itself (${code ?? signal}) instead of being killed`)
  }
}
