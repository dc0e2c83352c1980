import type { ByteRange } from '@tank/store'
import type { Cut } from './body.ts'
import { badRange, notFound, tooLarge } from './errors.ts'
import type { Answer } from './exchange.ts'

/** How an answer becomes the image, or the part of it, that was asked for. */
export interface Plan {
  /** Bytes of the whole image; undefined when the origin does not say. */
  readonly size: number | undefined
  readonly cut: Cut
}

interface ContentRange {
  readonly first: number
  readonly last: number
  readonly size: number | undefined
}

/** Throws when the answer is not to the question; origins are wrong about ranges in many ways. */
export function planAnswer(answer: Answer, range: ByteRange | undefined, maxBytes: number): Plan {
  const plan = planned(answer, range)
  const { size } = plan
  if (size !== undefined && size > maxBytes) throw tooLarge(maxBytes)
  if (range === undefined) return plan
  const end = range.offset + range.length
  if (size !== undefined && end > size) throw badRange()
  if (end > maxBytes) throw tooLarge(maxBytes)
  return plan
}

/** The size as the headers of a whole answer say it. */
export function wholeSize(answer: Answer): number | undefined {
  assertIdentity(answer)
  return header(answer, 'transfer-encoding') === undefined ? lengthOf(answer) : undefined
}

/** The size as the answer to a request for the first byte says it. */
export function probedSize(answer: Answer): number | undefined {
  assertFound(answer)
  if (answer.status === 200) return wholeSize(answer)
  const isEmpty = answer.status === 416
  if (isEmpty) return unsatisfied(answer)
  if (answer.status !== 206) throw unexpected(answer)
  assertIdentity(answer)
  const { first, last, size } = contentRange(answer)
  if (first !== 0 || last !== 0) throw new Error('the origin sent another range')
  return size
}

function planned(answer: Answer, range: ByteRange | undefined): Plan {
  assertFound(answer)
  if (answer.status === 416 && range !== undefined) {
    const size = unsatisfied(answer)
    if (size === undefined || range.offset + range.length > size) throw badRange()
  }
  if (answer.status === 206 && range !== undefined) return planPart(answer, range)
  if (answer.status !== 200) throw unexpected(answer)
  const size = wholeSize(answer)
  const { offset = 0, length = size } = range ?? {}
  return { size, cut: { start: 0, skip: offset, length, isPromised: size !== undefined } }
}

function planPart(answer: Answer, { offset, length }: ByteRange): Plan {
  assertIdentity(answer)
  const { first, last, size } = contentRange(answer)
  const isCut = size !== undefined && offset + length > size && last === size - 1
  if (first === offset && isCut) throw badRange()
  if (first !== offset || last !== offset + length - 1) {
    throw new Error('the origin sent another range')
  }
  const sent = lengthOf(answer)
  if (sent !== undefined && sent !== length) throw new Error('the range is not as long as it says')
  return { size, cut: { start: offset, skip: 0, length, isPromised: true } }
}

function assertFound(answer: Answer): void {
  if (answer.status === 404 || answer.status === 410) throw notFound(answer.status)
}

/** We asked for the bytes as they are; anything else would be other bytes. */
function assertIdentity(answer: Answer): void {
  const encoding = header(answer, 'content-encoding')
  if (encoding !== undefined && !/^(identity)?$/i.test(encoding.trim())) {
    throw new Error('the origin sent the image encoded')
  }
  const transfer = header(answer, 'transfer-encoding')
  if (transfer !== undefined && transfer.trim().toLowerCase() !== 'chunked') {
    throw new Error('the origin sent the image encoded for the transfer')
  }
}

function lengthOf(answer: Answer): number | undefined {
  const text = header(answer, 'content-length')
  return text === undefined ? undefined : count(text)
}

function contentRange(answer: Answer): ContentRange {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(header(answer, 'content-range') ?? '')
  const [, first = '', last = '', size = ''] = match ?? []
  if (match === null) throw new Error('the origin does not say which range it sent')
  const range = { first: count(first), last: count(last) }
  const whole = size === '*' ? undefined : count(size)
  if (range.first > range.last || (whole !== undefined && range.last >= whole)) {
    throw new Error('the origin sent a range that cannot be')
  }
  return { ...range, size: whole }
}

function unsatisfied(answer: Answer): number | undefined {
  const match = /^bytes \*\/(\d+)$/i.exec(header(answer, 'content-range') ?? '')
  return match?.[1] === undefined ? undefined : count(match[1])
}

function count(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw new Error('the origin said a size that is no number')
  return value
}

function unexpected(answer: Answer): Error {
  return new Error(`the origin answered ${answer.status}`)
}

function header(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
