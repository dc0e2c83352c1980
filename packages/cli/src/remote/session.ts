import { createTankClient, type TankClient } from '@tank/client'
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

/** Resolves when all that was printed is written; a reader who has seen enough is no failure. */
async function flushed({ stdout }: CommandCall['streams']): Promise<void> {
  // the bytes of an image end it
  if (stdout.writableEnded === true) return
  await new Promise<void>((resolve, reject) => {
    stdout.write('', (error?: NodeJS.ErrnoException | null) => {
      if (!error || error.code === 'EPIPE') resolve()
      else
        reject(new CommandError(EXIT.failed, `the result could not be written: ${error.message}`))
    })
  })
}

/** Runs a command with a client of the service that the command line and the environment name. */
export async function withSession(
  call: CommandCall,
  work: (session: Session) => Promise<void>
): Promise<number> {
  const connection = await connectionOf(call)
  const tank = createTankClient(await clientOptions(connection))
  const note = (text: string) => {
    if (call.values.quiet !== true) call.printError(text)
  }
  // told by the write that it concerns
  call.streams.stdout.on('error', () => {})
  try {
    await interruptible((signal) => work({ call, tank, connection, signal, note }))
    await flushed(call.streams)
    return EXIT.done
  } catch (error) {
    throw toCommandError(error, connection)
  } finally {
    await tank.close()
  }
}
