import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Outcome } from './command.ts'

const host = fileURLToPath(new URL('../../servers/client-host.py', import.meta.url))

/** A command line of a Python client, or a Python program. */
export interface ClientCommand {
  /** The installed script, such as `/usr/bin/openstack`. */
  readonly script?: string
  /** In place of `script`: what `python3 -c` gets. */
  readonly program?: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** A terminal is the standard input, in place of an empty one. */
  readonly terminal?: boolean
}

let running: Promise<string> | undefined

async function start(): Promise<string> {
  const child = spawn('/usr/bin/python3', [host], {
    env: { PATH: process.env.PATH, HOME: '/nonexistent', LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  const lines = createInterface({ input: child.stdout })
  const [path] = await Promise.race([
    once(lines, 'line'),
    once(child, 'close').then(([code]) => {
      throw new Error(`${host} ended: ${code}`)
    })
  ])
  // it ends with its standard input, so it lives as long as this process
  child.unref()
  for (const stream of [child.stdin, child.stdout]) (stream as { unref?(): void }).unref?.()
  return String(path)
}

/** Runs a command line in a process that need not import the client first: see `client-host.py`. */
export async function runClient(command: ClientCommand): Promise<Outcome> {
  running ??= start()
  const socket = connect(await running)
  await once(socket, 'connect')
  socket.write(`${JSON.stringify(command)}\n`)
  const answer = await text(socket)
  if (answer === '') throw new Error(`no answer: ${command.script} ${command.args.join(' ')}`)
  return JSON.parse(answer)
}
