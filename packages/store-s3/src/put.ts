import type { Readable } from 'node:stream'
import { type PutOptions, type StoredImage, StoreError } from '@tank/store'
import { Attempt, following } from './attempt.ts'
import { BodyReader } from './body-reader.ts'
import type { Bucket } from './bucket.ts'
import type { Chores } from './chores.ts'
import type { UploadId } from './multipart.ts'
import type { Settings } from './options.ts'
import { maxUnknownSize, type NextPart, partsInFlight, planParts } from './part-sizes.ts'
import { Parts } from './parts.ts'
import { payloadHash } from './payload.ts'
import type { Payload } from './requests.ts'

export interface PutContext {
  readonly bucket: Bucket
  readonly chores: Chores
  readonly settings: Settings
}

/** Stores a body: in one request up to the size of a part, else in parts. */
export async function putImage(
  context: PutContext,
  key: string,
  body: Readable,
  { size, signal }: PutOptions
): Promise<StoredImage> {
  const { bucket, chores, settings } = context
  if (size !== undefined && size > settings.maxSize) throw tooLarge(settings.maxSize)
  const attempt = new Attempt({ bucket, chores, exclusive: settings.exclusive, key, signal })
  const stop = following(signal)
  const limit = size ?? maxUnknownSize(settings)
  const reader = new BodyReader(body, {
    size,
    limit,
    tooLarge: tooLarge(limit, settings).message,
    signal: stop.signal
  })
  try {
    return await new Put(context, key, attempt, reader, stop).run(size)
  } catch (error) {
    // First of all nothing more may be sent, or it would be stored after the tidying up.
    stop.abort(error)
    await attempt.undo()
    throw signal?.aborted ? signal.reason : error
  } finally {
    stop.stop()
    reader.close()
  }
}

class Put {
  readonly #context: PutContext
  readonly #key: string
  readonly #attempt: Attempt
  readonly #reader: BodyReader
  readonly #stop: { readonly signal: AbortSignal; abort(reason: unknown): void }

  constructor(
    context: PutContext,
    key: string,
    attempt: Attempt,
    reader: BodyReader,
    stop: { readonly signal: AbortSignal; abort(reason: unknown): void }
  ) {
    this.#context = context
    this.#key = key
    this.#attempt = attempt
    this.#reader = reader
    this.#stop = stop
  }

  async run(size: number | undefined): Promise<StoredImage> {
    const { settings } = this.#context
    const nextPart = planParts(settings, size)
    const partSize = nextPart({ parts: 0, bytes: 0 }) ?? 0
    // Memory that nobody has written to is not taken, so that small bodies cost little.
    const block = Buffer.allocUnsafeSlow(Math.min(partSize, size ?? partSize))
    const first = await this.#read(block)
    if (await this.#reader.atEnd()) await this.#putAtOnce(first)
    else await this.#putInParts(nextPart, block, first)
    return { size: this.#reader.received }
  }

  async #putAtOnce(payload: Payload): Promise<void> {
    const { bucket } = this.#context
    await this.#attempt.publish((signal) => {
      return bucket.put(this.#key, this.#attempt.tag, payload, { signal })
    })
  }

  async #putInParts(nextPart: NextPart, block: Buffer, first: Payload): Promise<void> {
    const upload = await this.#attempt.begin(this.#stop.signal)
    const parts = new Parts((number, payload) => this.#send(upload, number, payload))
    parts.onFailure = (error) => this.#stop.abort(error)
    try {
      await parts.send(first, block)
      while (!(await this.#reader.atEnd())) {
        const bytes = nextPart({ parts: parts.count, bytes: parts.bytes })
        if (bytes === undefined) throw tooLarge(parts.bytes, this.#context.settings)
        const room = await parts.room(bytes, this.#inFlight(bytes))
        await parts.send(await this.#read(room), room)
      }
    } catch (error) {
      this.#stop.abort(error)
      await parts.settled().catch(() => {})
      throw error
    }
    await parts.settled()
    await this.#attempt.complete(parts.finished, parts.bytes)
  }

  #inFlight(partSize: number): number {
    const { settings } = this.#context
    return partsInFlight(settings, settings.concurrency, partSize)
  }

  #send(upload: UploadId, number: number, payload: Payload) {
    const options = { signal: this.#stop.signal, patient: true }
    return this.#context.bucket.putPart(upload, number, payload, options)
  }

  async #read(block: Buffer): Promise<Payload> {
    const hash = payloadHash(this.#context.settings.signPayload)
    const filled = await this.#reader.fill(block, hash)
    return { bytes: block.subarray(0, filled), sha256: hash?.digest('hex') }
  }
}

function tooLarge(limit: number, settings?: Settings): StoreError {
  const hint =
    settings?.equalParts === true
      ? ' of unknown size in equal parts: declare the size, or set a larger `partSize`'
      : ''
  return new StoreError('TOO_LARGE', `the store takes at most ${limit} bytes an image${hint}`)
}
