import type { Server } from 'node:https'
import type { TlsOptions } from 'node:tls'
import type { FastifyBaseLogger } from 'fastify'
import { ConfigError } from '../config/config-error.ts'
import { readPair, readPairSync, TlsFileError, type TlsPair } from './pair.ts'
import type { TlsConfig } from './section.ts'

/** The certificate of a server, renewed when its files are. */
export interface ServerTls {
  /** For the making of an HTTPS server. */
  options(): TlsOptions
  /** From now on the server gets new certificates; connections that are open keep theirs. */
  follow(server: Server): void
  close(): void
}

export interface ServerTlsOptions {
  readonly log: FastifyBaseLogger
  /** How often the files are looked at: 5000. */
  readonly intervalMs?: number
}

type Report = (pointer: string, message: string) => void

/** Reports what would keep a server with this section from starting, below the section's pointer. */
export function checkTls(config: TlsConfig | undefined, report: Report): void {
  try {
    if (config !== undefined) readPairSync(config)
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error
    report(`/tls/${error.file}`, error.message)
  }
}

/**
 * The files are read again and again, because events of the file system tell nothing of links that
 * were changed further up, as certbot and Kubernetes do, or of network file systems.
 */
class FollowedFiles implements ServerTls {
  readonly #config: TlsConfig
  readonly #log: FastifyBaseLogger
  readonly #servers: Server[] = []
  readonly #timer: NodeJS.Timeout
  #pair: TlsPair
  #lastFault: string | undefined
  #toldFault: string | undefined
  #isLooking = false

  constructor(config: TlsConfig, { log, intervalMs = 5000 }: ServerTlsOptions) {
    this.#config = config
    this.#log = log
    this.#pair = readPairSync(config)
    this.#tell()
    this.#timer = setInterval(() => void this.#look(), intervalMs).unref()
  }

  options(): TlsOptions {
    const asksClients = this.#config.clientCaFile !== undefined
    return { ...this.#pair.context, requestCert: asksClients, rejectUnauthorized: asksClients }
  }

  follow(server: Server): void {
    this.#servers.push(server)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      const pair = await readPair(this.#config)
      this.#lastFault = undefined
      this.#toldFault = undefined
      if (pair.mark === this.#pair.mark) return
      this.#pair = pair
      for (const server of this.#servers) server.setSecureContext(pair.context)
      this.#tell()
    } catch (error) {
      this.#complain(error)
    } finally {
      this.#isLooking = false
    }
  }

  /** Two files cannot be replaced at once: what is wrong at one look only is no fault. */
  #complain(err: unknown): void {
    const fault = String(err)
    if (fault === this.#lastFault && fault !== this.#toldFault) {
      this.#log.error({ err }, 'the new certificate cannot be used; the old one stays')
      this.#toldFault = fault
    }
    this.#lastFault = fault
  }

  #tell(): void {
    const { subject, validTo, fingerprint256 } = this.#pair.certificate
    const facts = { subject, validTo, fingerprint256 }
    if (Date.parse(validTo) < Date.now()) this.#log.warn(facts, 'the certificate has expired')
    else this.#log.info(facts, 'certificate in use')
  }
}

/**
 * Reads the files of the section and goes on looking at them.
 *
 * @throws {ConfigError} when a file cannot be used, or key and certificate do not belong together
 */
export function openServerTls(config: TlsConfig, options: ServerTlsOptions): ServerTls {
  try {
    return new FollowedFiles(config, options)
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error
    throw new ConfigError([`/tls/${error.file}: ${error.message}`])
  }
}
