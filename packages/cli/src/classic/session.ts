import type { LegacyClient, LegacyClientOptions } from '@tank/client'
import { isTankClientError } from '@tank/client/tank-client'
import { type CommandCall, CommandError, EXIT, UsageError } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { type Connection, connectionOf } from '../remote/connection.ts'
import { toCommandError } from '../remote/failures.ts'
import { interruptible, unlessAborted } from '../remote/session.ts'
import { isSomebodyByFlags, modernCall } from './flags.ts'

/** A classic command at work on a service. */
export interface ClassicSession {
  readonly call: CommandCall
  readonly client: LegacyClient
  /** `http://host:port`, with the path before `/v1` where there is one. */
  readonly url: string
  readonly signal: AbortSignal
  readonly isVerbose: boolean
}

/** A failure that the command has told already, or that ends it without a word. */
export class ClassicFailure extends Error {
  override readonly name = 'ClassicFailure'
}

function optionsOf(
  { url, token, auth, caFile }: Connection,
  insecure: boolean
): LegacyClientOptions {
  const { protocol, hostname, port, pathname } = new URL(url)
  const useSsl = protocol === 'https:'
  return {
    host: hostname,
    port: port === '' ? (useSsl ? 443 : 80) : Number(port),
    useSsl,
    docRoot: `${pathname.replace(/\/+$/, '')}/v1`,
    authTok: token,
    auth,
    caFile,
    insecure
  }
}

/** What went wrong, in one sentence. */
function said(error: unknown, connection: Connection | undefined, id: string | undefined): string {
  if (isTankClientError(error) && error.status === 404 && id !== undefined) {
    return `No image with ID ${printable(id)} was found`
  }
  if (isTankClientError(error) && error.status === 403) {
    return `You do not have permission to do this: ${printable(error.message)}`
  }
  if (isTankClientError(error) && error.status === 300) {
    return `${connection?.url} speaks no Image API v1. The commands of tank image speak v2.`
  }
  const known = connection === undefined ? error : toCommandError(error, connection)
  return known instanceof Error ? known.message : String(known)
}

/**
 * Runs a classic command: its exit codes are 0 and 1, and its failures stand in standard output. `id`
 * is the image that it is about.
 */
export async function withClassic(
  call: CommandCall,
  id: string | undefined,
  work: (session: ClassicSession) => Promise<void>
): Promise<number> {
  const began = performance.now()
  const isVerbose = call.values.verbose === true
  let connection: Connection | undefined
  let client: LegacyClient | undefined
  try {
    await interruptible(async (signal) => {
      const ways = { withoutNoted: isSomebodyByFlags(call) }
      const found = await unlessAborted(connectionOf(modernCall(call), ways), signal)
      connection = found
      const { LegacyClient } = await import('@tank/client')
      client = new LegacyClient(optionsOf(found, call.values.insecure === true))
      await work({ call, client, url: found.url, signal, isVerbose })
    })
    if (isVerbose) {
      call.print(`Completed in ${((performance.now() - began) / 1000).toFixed(4)} sec.\n`)
    }
    return EXIT.done
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (error instanceof CommandError && error.exitCode === EXIT.interrupted) throw error
    if (call.values.debug === true && error instanceof Error) call.printError(`${error.stack}\n`)
    const text = error instanceof ClassicFailure ? error.message : said(error, connection, id)
    if (text !== '') call.print(`${text}\n`)
    return EXIT.failed
  } finally {
    await client?.close()
  }
}

/** Exactly these words; `names` stand in the mistake that is told otherwise. */
export function wordsOf(call: CommandCall, ...names: readonly string[]): readonly string[] {
  if (call.words.length < names.length) {
    throw new UsageError(`Say ${names.slice(call.words.length).join(' and ')}.`)
  }
  const extra = call.words[names.length]
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many.`)
  return call.words
}
