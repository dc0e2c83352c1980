import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { ConfigError } from '@tank/service'
import { Agent } from 'undici'

export interface AgentOptions {
  /** PEM file of the authorities that sign the server's certificate; empty: those of the system. */
  readonly caFile: string
  /** The key of `caFile`, as faults name it. */
  readonly caFileKey: string
  /** For connecting, for an answer to begin, and between its parts, in milliseconds. */
  readonly timeoutMs: number
  /** Most bytes of an answer; undefined: any number. */
  readonly maxResponseSize?: number
}

const CONNECTIONS = 16

async function readAuthorities(file: string, key: string): Promise<string> {
  try {
    const pem = await readFile(file, 'utf8')
    new X509Certificate(pem)
    return pem
  } catch (cause) {
    const why =
      cause instanceof Error && 'syscall' in cause ? cause.message : 'no certificate in it'
    throw new ConfigError([`${key}: '${file}' cannot be used: ${why}`])
  }
}

/**
 * Opens connections to a server that the configuration names; those of the system's proxy settings
 * are not among them, and no redirect is followed.
 */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const { caFile, caFileKey, timeoutMs, maxResponseSize } = options
  const ca = caFile === '' ? {} : { ca: await readAuthorities(caFile, caFileKey) }
  return new Agent({
    connections: CONNECTIONS,
    connect: { ...ca, timeout: timeoutMs, rejectUnauthorized: true },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    ...(maxResponseSize === undefined ? {} : { maxResponseSize })
  })
}
