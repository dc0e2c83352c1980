import type { IncomingMessage } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import {
  type ByteRange,
  type CallOptions,
  type GetOptions,
  type ImageSource,
  StoreError
} from '@tank/store'
import type { Bucket } from './bucket.ts'
import { pumpAnswer } from './pump-answer.ts'
import { S3Body } from './s3-body.ts'

/** Opens an image for reading; settles with the first byte of the answer. */
export async function getImage(
  bucket: Bucket,
  key: string,
  { range, signal }: GetOptions
): Promise<ImageSource> {
  const output = await bucket.get(key, range, { signal })
  const answer = output.Body as unknown as IncomingMessage
  try {
    const size = range === undefined ? lengthOf(output) : wholeSize(output, range)
    return new S3Source(answer, size, range?.length ?? size, signal)
  } catch (error) {
    answer.destroy()
    throw error
  }
}

/** The two ways out of an answer, of which the caller takes one. */
class S3Source implements ImageSource {
  readonly size: number
  readonly #answer: IncomingMessage
  readonly #length: number
  readonly #signal: AbortSignal | undefined
  #body: Readable | undefined
  #pumped = false

  constructor(
    answer: IncomingMessage,
    size: number,
    length: number,
    signal: AbortSignal | undefined
  ) {
    this.#answer = answer
    this.size = size
    this.#length = length
    this.#signal = signal
  }

  get body(): Readable {
    if (this.#pumped) throw new StoreError('FAILED', 'the image is being pumped')
    this.#body ??= new S3Body(this.#answer, this.#length, this.#signal)
    return this.#body
  }

  async pump(to: Writable, { signal }: CallOptions = {}): Promise<void> {
    if (this.#pumped || this.#body !== undefined) {
      throw new StoreError('FAILED', 'the image is being read already')
    }
    this.#pumped = true
    try {
      await pumpAnswer(this.#answer, this.#length, to, signal)
    } catch (error) {
      throw this.#signal?.aborted ? this.#signal.reason : error
    }
  }
}

function lengthOf({ ContentLength }: GetObjectCommandOutput): number {
  if (ContentLength !== undefined) return ContentLength
  throw new StoreError('FAILED', 'the server does not say how long the image is')
}

/** Checks that the server sends the very range, and says the size of the whole image. */
function wholeSize({ ContentRange = '' }: GetObjectCommandOutput, range: ByteRange): number {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange)
  if (match === null) throw new StoreError('FAILED', 'the server does not send the range')
  const [first, last, size] = match.slice(1).map(Number) as [number, number, number]
  if (range.offset + range.length > size) {
    throw new StoreError('BAD_RANGE', 'the range reaches past the end of the image')
  }
  if (first !== range.offset || last !== range.offset + range.length - 1) {
    throw new StoreError('FAILED', 'the server sends another range')
  }
  return size
}
