import type { TankClient } from '@tank/client'
import { createTankClient } from '@tank/client/tank-client'
import { type CommandCall, CommandError, EXIT } from '../command-line.ts'
import { type Connection, clientOptions, connectionOf } from './connection.ts'
import { toCommandError } from './failures.ts'

/** A command at work on a service. */
export interface Session {
  readonly call: CommandCall
  readonly tank: TankClient
  readonly connection: Connection
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal
  /** Tells what is not the result, unless `--quiet` was said. */
  note(text: string): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs something that the first signal aborts; the second one ends the process at once. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const control = new AbortController()
  const stop = () => {
    if (control.signal.aborted) process.exit(EXIT.interrupted)
    control.abort(new CommandError(EXIT.interrupted, 'interrupted'))
  }
  for (const name of SIGNALS) process.on(name, stop)
  try {
    return await run(control.signal)
  } catch (error) {
    // what else went wrong went wrong because of that
    if (control.signal.aborted) throw control.signal.reason
    throw error
  } finally {
    for (const name of SIGNALS) process.off(name, stop)
  }
}

/** Runs a command with a client of the service that the command line and the environment name. */
export async function withSession(
  call: CommandCall,
  work: (session: Session) => Promise<void>
): Promise<number> {
  return await interruptible(async (signal) => {
    const connection = await unlessAborted(connectionOf(call), signal)
    return await workWith(connection, { call, signal }, work)
  })
}

/** For work that knows no signal, such as asking an identity service. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work.then(resolve, reject)
  })
}

async function workWith(
  connection: Connection,
  { call, signal }: Pick<Session, 'call' | 'signal'>,
  work: (session: Session) => Promise<void>
): Promise<number> {
  const tank = createTankClient(await clientOptions(connection))
  const note = (text: string) => {
    if (call.values.quiet !== true) call.printError(text)
  }
  try {
    await work({ call, tank, connection, signal, note })
    return EXIT.done
  } catch (error) {
    throw toCommandError(error, connection)
  } finally {
    await tank.close()
  }
}
