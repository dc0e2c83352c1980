import t from 'tap'
import {
  MAX_PART_SIZE,
  MAX_PARTS,
  MIN_PART_SIZE,
  maxUnknownSize,
  type PartLimits,
  partsInFlight,
  planParts
} from '../src/part-sizes.ts'

const MiB = 1024 ** 2
const GiB = 1024 ** 3
const TiB = 1024 ** 4

const limits: PartLimits = {
  knownPartSize: 8 * MiB,
  unknownPartSize: 16 * MiB,
  equalParts: false,
  maxSize: 5 * TiB
}

/** Cuts so many bytes, and says the sizes of the parts. */
function cut(own: Partial<PartLimits>, bytes: number, declared: boolean): number[] {
  const next = planParts({ ...limits, ...own }, declared ? bytes : undefined)
  const parts: number[] = []
  let sent = 0
  while (sent < bytes) {
    const size = next({ parts: parts.length, bytes: sent })
    if (size === undefined) throw new Error(`no part after ${parts.length}`)
    parts.push(size)
    sent += size
  }
  return parts
}

t.test('a known size is cut into equal parts, far fewer than 10,000', async (t) => {
  for (const bytes of [8 * MiB + 1, 70 * GiB, 100 * GiB, TiB, 5 * TiB]) {
    const parts = cut({}, bytes, true)
    t.ok(parts.length <= 9_000, `${bytes} bytes in ${parts.length} parts`)
    t.equal(new Set(parts).size, 1)
    t.ok((parts[0] ?? 0) >= 8 * MiB)
  }
  t.equal(cut({}, 70 * GiB, true)[0], 8 * MiB)
  t.equal(cut({}, TiB, true)[0], 117 * MiB)
})

t.test('an unknown size never runs out of parts', async (t) => {
  for (const [own, bytes] of [
    [{}, 5 * TiB],
    [{ maxSize: 16 * TiB }, 16 * TiB],
    [{ maxSize: 16 * TiB, unknownPartSize: MIN_PART_SIZE }, 16 * TiB],
    [{ maxSize: 5 * TiB, unknownPartSize: MIN_PART_SIZE }, 5 * TiB],
    [{ maxSize: 100 * GiB }, 100 * GiB],
    [{ unknownPartSize: MAX_PART_SIZE }, 5 * TiB]
  ] as const) {
    const parts = cut(own, bytes, false)
    t.ok(parts.length <= MAX_PARTS, `${bytes} bytes in ${parts.length} parts`)
    t.ok(parts.every((size) => size >= MIN_PART_SIZE && size <= MAX_PART_SIZE))
  }
})

t.test('parts of an unknown size begin small and grow late', async (t) => {
  const parts = cut({}, 5 * TiB, false)
  t.equal(parts[0], 16 * MiB)
  t.ok(
    cut({}, 7 * GiB, false).every((size) => size === 16 * MiB),
    'up to 7 GiB nothing grows'
  )
  t.ok(Math.max(...cut({}, 20 * GiB, false)) <= 48 * MiB)
  t.ok(Math.max(...parts) < GiB, 'even the largest image takes no GiB a part')
})

t.test('equal parts end at 10,000', async (t) => {
  const own = { equalParts: true, unknownPartSize: 5 * MiB }
  const most = 10_000 * 5 * MiB
  t.equal(maxUnknownSize({ ...limits, ...own }), most)
  t.equal(cut(own, most, false).length, MAX_PARTS)
  t.throws(() => cut(own, most + 1, false), { message: 'no part after 10000' })
  t.equal(new Set(cut(own, most, false)).size, 1)
  t.equal(maxUnknownSize(limits), 5 * TiB)
})

t.test('large parts are fewer at once, so that memory does not grow with them', async (t) => {
  t.equal(partsInFlight(limits, 4, 8 * MiB), 4)
  t.equal(partsInFlight(limits, 4, 16 * MiB), 4)
  t.equal(partsInFlight(limits, 4, 20 * MiB), 3)
  t.equal(partsInFlight(limits, 4, GiB), 2)
  t.equal(partsInFlight(limits, 1, GiB), 1)
})
