import { isStoreError } from '@tank/store'
import t from 'tap'
import { type Limits, readLimits } from '../src/limits.ts'
import { planSegments } from '../src/plan.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB
const TiB = 1024 * GiB

const swift: Limits = {
  maxObject: 5 * GiB,
  maxSegments: 1000,
  minSegment: 1,
  nests: true,
  urlDigest: 'sha256'
}
const gateway: Limits = { ...swift, nests: false, urlDigest: 'sha1' }

/** What all segments hold together, and how many of them there are. */
function room(limits: Limits, size?: number): { bytes: number; segments: number } {
  const plan = planSegments(16 * MiB, limits, size)
  for (let segments = 0, bytes = 0; ; segments += 1) {
    try {
      bytes += plan.sizeOf(segments)
      if (size !== undefined && bytes >= size) return { bytes, segments: segments + 1 }
    } catch (error) {
      if (!isStoreError(error, 'TOO_LARGE')) throw error
      return { bytes, segments }
    }
  }
}

t.test('lists of lists hold 15 TiB in segments that fit into memory', async (t) => {
  t.strictSame(room(swift), { bytes: 1e6 * 16 * MiB, segments: 1e6 })
  t.equal(planSegments(16 * MiB, swift, undefined).sizeOf(999_999), 16 * MiB)
  t.equal(room(swift, TiB).segments, 65_536)
})

t.test('without them, segments grow as the image does', async (t) => {
  const plan = planSegments(16 * MiB, gateway, undefined)
  t.equal(plan.sizeOf(499), 16 * MiB)
  t.equal(plan.sizeOf(500), 32 * MiB)
  t.equal(plan.sizeOf(999), 5 * GiB)
  const { bytes, segments } = room(gateway)
  t.equal(segments, 1000)
  t.ok(bytes > 1.5 * TiB, `${bytes / TiB} TiB`)
  const small = planSegments(64 * 1024, gateway, undefined)
  t.equal(small.sizeOf(999), 5 * GiB, 'whatever they begin with')
})

t.test('an image of known size is cut evenly', async (t) => {
  for (const size of [16 * MiB + 1, 15 * GiB, 16_000 * MiB, 100 * GiB, TiB, 4 * TiB]) {
    const { bytes, segments } = room(gateway, size)
    t.ok(segments <= 1000 && bytes >= size, `${segments} segments for ${size} bytes`)
  }
  t.equal(planSegments(16 * MiB, gateway, 16_000 * MiB).sizeOf(0), 16 * MiB)
  t.equal(planSegments(16 * MiB, gateway, 100 * GiB).sizeOf(0), 103 * MiB)
  t.throws(() => planSegments(16 * MiB, gateway, 5 * TiB), { code: 'TOO_LARGE' })
  t.throws(() => planSegments(16 * MiB, swift, 6e15), { code: 'TOO_LARGE' })
})

t.test('the limits of the cluster are kept', async (t) => {
  const narrow = { ...swift, maxObject: 2_000_000, minSegment: 1_000_000 }
  t.equal(planSegments(16 * MiB, narrow, undefined).sizeOf(0), 2_000_000)
  t.equal(planSegments(65_536, narrow, undefined).buffer, 1_000_000)
})

t.test('what clusters say of themselves', async (t) => {
  const says = (info: object) => readLimits(JSON.stringify(info))
  t.strictSame(
    says({
      swift: { version: '2.30.1', max_file_size: 5368709122 },
      slo: { max_manifest_segments: 2000, min_segment_size: 1048576 },
      tempurl: { allowed_digests: ['sha1', 'sha256', 'sha512'] }
    }),
    {
      maxObject: 5368709122,
      maxSegments: 2000,
      minSegment: 1048576,
      nests: true,
      urlDigest: 'sha256'
    }
  )
  t.strictSame(
    says({
      swift: { max_file_size: 5368709120, version: '16.2.15' },
      tempurl: { methods: ['GET'] },
      slo: { max_manifest_segments: 1000 }
    }),
    { ...gateway, maxObject: 5368709120 }
  )
  t.equal(says({ swift: {} }).urlDigest, undefined, 'no signed URLs')
  for (const text of ['', 'not JSON', '[]', '{"slo":{"max_manifest_segments":"many"}}']) {
    t.strictSame(readLimits(text), { ...swift, nests: false }, `what is usual: ${text}`)
  }
})
