import { type ByteRange, type GetOptions, type ImageSource, StoreError } from '@tank/store'
import { type Container, readHead } from './container.ts'
import type { HttpAnswer } from './transport.ts'

/** Opens an image, or a part of it, for reading. */
export async function openImage(
  container: Container,
  key: string,
  { range, signal }: GetOptions
): Promise<ImageSource> {
  const answer = await container.call(container.names.image(key), {
    method: 'GET',
    headers: range === undefined ? {} : { range: rangeHeader(range) },
    accept: [404, 409],
    signal,
    what: 'to send the image'
  })
  const { status } = answer
  if (status === 404 || status === 409) {
    await answer.body.skip()
    if (status === 409) throw new StoreError('FAILED', 'a segment of the image is missing (409)')
    await container.confirm({ signal })
    throw new StoreError('NOT_FOUND', 'there is no image at this key')
  }
  try {
    const size = range === undefined ? readHead(answer).size : wholeSize(answer, range)
    return { size, body: answer.body }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

function rangeHeader({ offset, length }: ByteRange): string {
  return `bytes=${offset}-${offset + length - 1}`
}

/** The size of the whole image, once it is sure that the answer is the part that was asked for. */
function wholeSize(answer: HttpAnswer, { offset, length }: ByteRange): number {
  const given = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.header('content-range') ?? '')
  if (answer.status !== 206 || given === null) {
    throw new StoreError('UNSUPPORTED', 'the server does not send parts of images')
  }
  const [from, to, size] = given.slice(1).map(Number)
  if (size === undefined || size < offset + length) {
    throw new StoreError('BAD_RANGE', 'the range reaches past the end of the image')
  }
  if (from !== offset || to !== offset + length - 1) {
    throw new StoreError('FAILED', 'the server sends another part than it was asked for')
  }
  return size
}
