import type { Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { type ByteRange, type GetOptions, type ImageSource, StoreError } from '@tank/store'
import type { Bucket } from './bucket.ts'
import { S3Body } from './s3-body.ts'

/** Opens an image for reading; settles with the first byte of the answer. */
export async function getImage(
  bucket: Bucket,
  key: string,
  { range, signal }: GetOptions
): Promise<ImageSource> {
  const answer = await bucket.get(key, range, { signal })
  const source = answer.Body as Readable
  try {
    const size = range === undefined ? lengthOf(answer) : wholeSize(answer, range)
    return { size, body: new S3Body(source, range?.length ?? size, signal) }
  } catch (error) {
    source.destroy()
    throw error
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
