import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import type { CallOptions, GetOptions, ImageSource, ImageStat, Store } from '@tank/store'
import { type BodyLimits, HttpBody } from './body.ts'
import { notFound, tooLarge } from './errors.ts'
import type { Answer } from './exchange.ts'
import type { HttpStoreOptions } from './options.ts'
import { type Ask, type Outbound, openOutbound, type Surroundings } from './outbound.ts'
import { planAnswer, probedSize, wholeSize } from './plan.ts'

const TiB = 1024 ** 4

/** Opens a store that reads images of web servers; its keys are their URLs. */
export async function openHttpStore(
  options: HttpStoreOptions = {},
  around: Surroundings = {}
): Promise<HttpStore> {
  const { allowHttp = false, ports = [], allow = [], denyHosts = [], openSeconds = 10 } = options
  const ca = options.caFile === undefined ? undefined : await readCertificates(options.caFile)
  const openMs = openSeconds * 1000
  const outbound = openOutbound({ allowHttp, ports, allow, denyHosts, ca, openMs }, around)
  const limits = {
    maxBytes: options.maxBytes ?? TiB,
    stallMs: (options.stallSeconds ?? 30) * 1000,
    minBytesPerSecond: options.minBytesPerSecond ?? 65_536,
    skipMs: (options.skipSeconds ?? 300) * 1000,
    totalMs: (options.totalSeconds ?? 86_400) * 1000
  }
  return new OriginStore(outbound, limits)
}

/** It has no `check`: there is no one backend that could be away. */
export type HttpStore = Store & Required<Pick<Store, 'url' | 'accepts' | 'close'>>

class OriginStore implements HttpStore {
  readonly type = 'http'
  readonly features = { ranges: true, unknownSize: false, exclusive: false }
  readonly #outbound: Outbound
  readonly #limits: BodyLimits

  constructor(outbound: Outbound, limits: BodyLimits) {
    this.#outbound = outbound
    this.#limits = limits
  }

  accepts(url: URL): boolean {
    return this.#outbound.accepts(url)
  }

  stat(key: string, options: CallOptions = {}): Promise<ImageStat> {
    return this.#outbound.visit(key, options, async (ask) => {
      const size = (await this.#headSize(ask)) ?? (await this.#probe(ask))
      const { maxBytes } = this.#limits
      if (size !== undefined && size > maxBytes) throw tooLarge(maxBytes)
      return { size }
    })
  }

  get(key: string, { range, signal }: GetOptions = {}): Promise<ImageSource> {
    return this.#outbound.visit(key, { signal }, async (ask) => {
      const answer = await ask('GET', range && { range: `bytes=${spanOf(range)}` })
      const { size, cut } = planAnswer(answer, range, this.#limits.maxBytes)
      return { size, body: new HttpBody(answer, cut, this.#limits, signal) }
    })
  }

  url(key: string): URL {
    return new URL(key)
  }

  async close(): Promise<void> {
    this.#outbound.close()
  }

  /** Undefined when the answer cannot be relied on: some origins treat HEAD badly. */
  async #headSize(ask: Ask): Promise<number | undefined> {
    const answer = await ask('HEAD')
    answer.close()
    if (answer.status === 404 || answer.status === 410) throw notFound(answer.status)
    const size = answer.status === 200 ? wholeSize(answer) : undefined
    // Pages that are made on demand often claim to be empty.
    return size === 0 ? undefined : size
  }

  async #probe(ask: Ask): Promise<number | undefined> {
    const answer: Answer = await ask('GET', { range: 'bytes=0-0' })
    answer.close()
    return probedSize(answer)
  }
}

function spanOf({ offset, length }: NonNullable<GetOptions['range']>): string {
  return `${offset}-${offset + length - 1}`
}

async function readCertificates(file: string): Promise<readonly string[]> {
  try {
    const text = await readFile(file, 'utf8')
    const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    for (const each of found) new X509Certificate(each)
    if (found.length === 0) throw new Error('it has no certificate in it')
    return [...rootCertificates, ...found]
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`caFile: ${file} cannot be used: ${why}`, { cause })
  }
}
