import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type StoreContext, StoreError } from '@tank/store'
import type { ChunkReader } from './chunk-reader.ts'
import { type Container, etagOf, PUT_HEADER } from './container.ts'
import { isAway } from './errors.ts'
import type { Limits } from './limits.ts'
import { grouped, manifestEtag, manifestOf, type Part, sizeOf } from './manifest.ts'
import { segmentNumber } from './names.ts'
import type { Piece } from './piece.ts'
import type { HttpAnswer } from './transport.ts'

/** Manifests and copies are answered when the server has looked at, or moved, all that they name. */
const LONG_ANSWER = 900_000
const CLEAN_UP = 30_000
// A request that was cut may have been taken all the same, and be finished after our delete: a
// segment soon, the image itself when the server has looked at all that its manifest names.
const SECOND_LOOK = [200]
const THIRD_LOOKS = [200, 400, 800]
const BYTES = { 'content-type': 'application/octet-stream' }

/** Writes one image: its segments, what publishes it, and what takes all of that away again. */
export class ObjectWriter {
  readonly #container: Container
  readonly #key: string
  readonly #signal: AbortSignal
  readonly #log: StoreContext['log'] | undefined
  readonly #put = randomUUID()
  readonly #base: string
  readonly #begun = new Set<string>()
  readonly #parts: Part[] = []
  #isPublishing = false
  #isInDoubt = false
  #isTaken = false

  constructor(
    container: Container,
    key: string,
    signal: AbortSignal,
    log: StoreContext['log'] | undefined
  ) {
    this.#container = container
    this.#key = key
    this.#signal = signal
    this.#log = log
    this.#base = container.names.segmentsOf(key, this.#put)
  }

  get size(): number {
    return sizeOf(this.#parts)
  }

  /** An early answer for keys that are taken; the one that counts is given on publishing. */
  async assertFree(): Promise<void> {
    const { names } = this.#container
    const head = await this.#container.head(names.image(this.#key), { signal: this.#signal })
    if (head !== undefined) throw taken()
  }

  /** Sends a segment that is in memory. */
  async sendPiece(index: number, piece: Piece): Promise<void> {
    const { length, etag } = piece
    const headers = { ...BYTES, 'content-length': String(length), etag }
    const body = () => piece.body()
    const answer = await this.#send(index, { headers, body })
    await this.#add(index, length, etag, answer)
  }

  /** Sends a segment as it comes: it need not fit into memory, but it can be sent only once. */
  async sendStream(index: number, reader: ChunkReader, most: number): Promise<void> {
    const hash = createHash('md5')
    let length = 0
    const bytes = async function* () {
      while (length < most) {
        const chunk = await reader.read(most - length)
        if (chunk === undefined) return
        length += chunk.byteLength
        hash.update(chunk)
        yield chunk
      }
    }
    const body = () => Readable.from(bytes(), { objectMode: false })
    const answer = await this.#send(index, { headers: BYTES, body, once: true })
    await this.#add(index, length, hash.digest('hex'), answer)
  }

  /** Has the server copy an object to be a segment. */
  async copySegment(index: number, from: Part): Promise<void> {
    const headers = this.#copyHeaders(from.name)
    const answer = await this.#send(index, { headers, answerTimeout: LONG_ANSWER })
    await this.#add(index, from.size, from.etag, answer)
  }

  /** Publishes an image that is in memory as one object. */
  async publishPiece(piece: Piece): Promise<void> {
    const { length, etag } = piece
    const headers = { ...BYTES, 'content-length': String(length), etag }
    await this.#publish({ headers, body: () => piece.body() }, etag)
  }

  /** Publishes a copy of an object that is no manifest. */
  async publishCopy(from: Part): Promise<void> {
    // Swift would put the condition of If-None-Match to the original.
    const headers = this.#copyHeaders(from.name)
    await this.#publish({ headers, answerTimeout: LONG_ANSWER, isCopy: true }, from.etag)
  }

  /** Publishes the segments that were sent, by lists of lists where one list cannot name them all. */
  async publishSegments({ maxSegments }: Limits): Promise<void> {
    let parts: readonly Part[] = this.#parts
    for (let level = 1; parts.length > maxSegments; level += 1) {
      const lists: Part[] = []
      for (const group of grouped(parts, maxSegments, this.#base, level)) {
        lists.push(await this.#sendList(group.name, group.parts))
      }
      parts = lists
    }
    const body = manifestOf(parts, this.#container)
    const call = { query: 'multipart-manifest=put', headers: BYTES, answerTimeout: LONG_ANSWER }
    await this.#publish({ ...call, body: () => body }, manifestEtag(parts))
  }

  /** Takes away what was written. Failures are logged: what stays is found by `delete`. */
  async discard(): Promise<void> {
    const signal = AbortSignal.timeout(CLEAN_UP)
    const again = this.#begun.size > 0 ? SECOND_LOOK : []
    try {
      await this.#sweep(this.#begun, signal)
      for (const pause of this.#isInDoubt ? THIRD_LOOKS : again) {
        await sleep(pause)
        const late: string[] = []
        for await (const { name } of this.#container.list(this.#base, { signal })) late.push(name)
        await this.#sweep(late, signal)
      }
    } catch (err) {
      this.#log?.warn({ err, key: this.#key }, 'cannot remove what a failed put has written')
    }
  }

  async #sweep(names: Iterable<string>, signal: AbortSignal): Promise<void> {
    if (this.#isPublishing && !this.#isTaken) await this.#unpublish(signal)
    await this.#container.removeAll(names, { signal })
  }

  /** Deletes the image if it is ours, or if it may still become ours. */
  async #unpublish(signal: AbortSignal): Promise<void> {
    const name = this.#container.names.image(this.#key)
    const head = await this.#container.head(name, { signal })
    if (head === undefined || head.put === this.#put) await this.#container.remove(name, { signal })
  }

  #copyHeaders(name: string): Record<string, string> {
    return {
      'x-copy-from': this.#container.names.path(name),
      'x-fresh-metadata': 'true',
      'content-length': '0'
    }
  }

  async #send(index: number, call: SegmentCall): Promise<HttpAnswer> {
    const name = `${this.#base}${segmentNumber(index)}`
    this.#begun.add(name)
    const what = 'to take a segment'
    return this.#container.put(name, { ...call, signal: this.#signal, what })
  }

  async #add(index: number, size: number, etag: string, answer: HttpAnswer): Promise<void> {
    await answer.body.skip()
    assertSame(etagOf(answer), etag)
    this.#parts[index] = { name: `${this.#base}${segmentNumber(index)}`, size, etag }
  }

  async #sendList(name: string, parts: readonly Part[]): Promise<Part> {
    this.#begun.add(name)
    const body = manifestOf(parts, this.#container)
    const answer = await this.#container.put(name, {
      query: 'multipart-manifest=put',
      headers: BYTES,
      body: () => body,
      answerTimeout: LONG_ANSWER,
      signal: this.#signal,
      what: 'to take a list of segments'
    })
    await answer.body.skip()
    const etag = manifestEtag(parts)
    assertSame(etagOf(answer), etag)
    return { name, size: sizeOf(parts), etag }
  }

  async #publish(call: SegmentCall & { isCopy?: boolean }, etag: string): Promise<void> {
    const { isCopy = false, ...rest } = call
    const name = this.#container.names.image(this.#key)
    this.#isPublishing = true
    const put = this.#container.put(name, {
      ...rest,
      headers: {
        ...rest.headers,
        [PUT_HEADER]: this.#put,
        ...(isCopy ? {} : { 'if-none-match': '*' })
      },
      accept: [412],
      signal: this.#signal,
      what: 'to take the image'
    })
    const answer = await put.catch((error: unknown) => {
      this.#isInDoubt = this.#signal.aborted || isAway(error)
      throw error
    })
    await answer.body.skip()
    if (answer.status !== 412) {
      assertSame(etagOf(answer), etag)
      return
    }
    // An answer that was lost makes us ask twice, and then it is our own image that is in the way.
    const head = await this.#container.head(name, { signal: this.#signal })
    if (head?.put === this.#put) return
    this.#isTaken = true
    throw taken()
  }
}

interface SegmentCall {
  readonly headers: Readonly<Record<string, string>>
  readonly body?: () => Readable | Buffer
  readonly query?: string
  readonly once?: boolean
  readonly answerTimeout?: number
}

function taken(): StoreError {
  return new StoreError('EXISTS', 'there is already an image at this key')
}

function assertSame(got: string | undefined, expected: string): void {
  if (got === undefined || got === expected) return
  throw new StoreError('FAILED', 'the server has other bytes than those that were sent (ETag)')
}
