import { Readable } from 'node:stream'
import { TankError } from '@tank/model'
import { type GetOptions, StoreError } from '@tank/store'
import t from 'tap'
import { type Place, rangesOf, rangesOfAny } from '../src/inspection/read-range.ts'

const never = new AbortController().signal
const BYTES = Buffer.from('0123456789abcdef')
const RANGE = { offset: 4, length: 6 }

interface Faults {
  readonly ranges?: boolean
  /** Calls that fail before one works. */
  readonly fails?: number
  /** Bytes after which a body stops coming. */
  readonly stallsAfter?: number
}

function place({ ranges = true, fails = 0, stallsAfter = Infinity }: Faults = {}) {
  const calls: (GetOptions['range'] | 'whole')[] = []
  const get: Place['store']['get'] = async (_key, { range } = {}) => {
    calls.push(range ?? 'whole')
    if (calls.length <= fails) throw new StoreError('UNAVAILABLE', 'on order')
    if (!ranges && range !== undefined) throw new StoreError('UNSUPPORTED', 'no ranges')
    const { offset, length } = range ?? { offset: 0, length: BYTES.length }
    const part = BYTES.subarray(offset, offset + length)
    let at = 0
    const body = new Readable({
      read() {
        if (at < Math.min(part.length, stallsAfter)) this.push(part.subarray(at, ++at))
        else if (at === part.length) this.push(null)
      }
    })
    return { size: BYTES.length, body }
  }
  const store = { features: { ranges, unknownSize: true, exclusive: false }, get }
  return { store, key: 'k', calls }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

t.test('F13: a store without ranges is read from the start', async (t) => {
  const { store, key } = place({ ranges: false })
  let moved = 0
  const advance = (count: number) => {
    moved += count
  }
  const read = rangesOf(store, key, { signal: never, deadlineMs: 1000, advance })
  t.equal(text(await read(RANGE)), '456789')
  t.equal(moved, 10, 'what comes before counts as progress')
})

t.test('a store that stalls is not waited for, with ranges and without', async (t) => {
  for (const ranges of [true, false]) {
    const { store, key, calls } = place({ ranges, stallsAfter: 3 })
    const read = rangesOf(store, key, { signal: never, deadlineMs: 30 })
    const error = await read(RANGE).catch((e: unknown) => e)
    t.match(error, { code: 'DATA_UNAVAILABLE', cause: { code: 'UNAVAILABLE' } })
    t.equal(calls.length, 3, 'it is asked again before that')
  }
})

t.test('one read that fails is no end of the image', async (t) => {
  const { store, key, calls } = place({ fails: 2 })
  const read = rangesOf(store, key, { signal: never, deadlineMs: 1000 })
  t.equal(text(await read(RANGE)), '456789')
  t.equal(calls.length, 3)
})

t.test('the next place gives what the first one does not', async (t) => {
  const [away, other] = [place({ fails: 9 }), place()]
  const read = rangesOfAny([away, other], { signal: never, deadlineMs: 1000 })
  t.equal(text(await read(RANGE)), '456789')
  t.equal(away.calls.length, 1)
  const sized = rangesOfAny([place()], { signal: never, deadlineMs: 1000, size: 17 })
  t.match(await sized(RANGE).catch((e: unknown) => e), { code: 'DATA_UNAVAILABLE' })
})

t.test('nobody waits for a pause when the work is over', async (t) => {
  const stop = new AbortController()
  const { store, key, calls } = place({ fails: 9 })
  const read = rangesOf(store, key, { signal: stop.signal, deadlineMs: 1000 })
  const gone = new TankError('IMAGE_GONE', 'gone')
  setTimeout(() => stop.abort(gone), 50)
  t.equal(await read(RANGE).catch((e: unknown) => e), gone)
  t.equal(calls.length, 1)
})
