import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import type { RegistryClient } from '@tank/client'
import { isTankError, type Lease, TankError } from '@tank/model'
import { createLogger } from '@tank/service'
import t from 'tap'
import { blockSize } from '../src/ingest/block-sizes.ts'
import { createDigestPool } from '../src/ingest/digests.ts'
import { Intake, SenderGone } from '../src/ingest/intake.ts'
import { keepLease } from '../src/ingest/lease-keeper.ts'

const MIB = 1 << 20

function digestsOf(bytes: Buffer, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => [name, createHash(name).update(bytes).digest('hex')])
  )
}

async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  body.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((resolve, reject) => {
    body.once('end', resolve)
    body.once('error', reject)
  })
  return Buffer.concat(chunks)
}

t.test('H1: digests equal those of the whole for any size and chunking', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  const names = ['sha256', 'md5', 'sha512']
  for (const size of [0, 1, 65536, 262144, 262145, MIB - 1, MIB, MIB + 1, 5 * MIB + 17]) {
    const bytes = randomBytes(size)
    const intake = new Intake(Readable.from(slices(bytes, 65521)), {
      announced: undefined,
      cap: size,
      digests: pool.open(names)
    })
    const run = pool.open(names)
    for (const slice of slices(bytes, 100_003)) run.feed(slice)
    const [got, digests] = await Promise.all([collect(intake), run.end()])
    t.ok(got.equals(bytes), `${size} bytes come through`)
    t.same({ ...digests }, digestsOf(bytes, names), `${size} bytes are hashed`)
  }
})

t.test('H1: many uploads at once keep their digests apart', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const names = i % 2 === 0 ? ['sha256', 'md5'] : ['sha256']
      const bytes = randomBytes(MIB + i * 4099)
      const run = pool.open(names)
      for (const slice of slices(bytes, 40_000 + i)) {
        if (!run.feed(slice)) {
          await new Promise<void>((resolve) => {
            run.onDrain = resolve
          })
        }
      }
      t.same({ ...(await run.end()) }, digestsOf(bytes, names))
    })
  )
})

t.test('a dropped run frees its place and the next one works', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  const lost = pool.open(['sha256'])
  lost.feed(Buffer.alloc(2 * MIB))
  lost.drop()
  await t.rejects(lost.end())
  const run = pool.open(['sha256'])
  run.feed(Buffer.alloc(2 * MIB))
  t.same({ ...(await run.end()) }, digestsOf(Buffer.alloc(2 * MIB), ['sha256']))
})

t.test('a slow reader holds the sender back', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  let sent = 0
  const source = new Readable({
    highWaterMark: 65536,
    read() {
      sent += 65536
      this.push(sent > 64 * MIB ? null : Buffer.alloc(65536))
    }
  })
  const intake = new Intake(source, {
    announced: undefined,
    cap: 1e9,
    digests: pool.open(['sha256'])
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  t.ok(sent < 8 * MIB, `only ${sent} bytes were taken before anyone read`)
  intake.destroy()
})

t.test('S-06: the cap counts bytes, whatever was announced', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  const intake = new Intake(Readable.from(slices(Buffer.alloc(1001), 100)), {
    announced: undefined,
    cap: 1000,
    digests: pool.open(['sha256'])
  })
  const error = await collect(intake).catch((e: unknown) => e)
  t.ok(isTankError(error, 'TOO_LARGE'))
})

t.test('U9: a body of another size than announced fails', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  for (const announced of [99, 101]) {
    const intake = new Intake(Readable.from([Buffer.alloc(100)]), {
      announced,
      cap: 1000,
      digests: pool.open(['sha256'])
    })
    const error = await collect(intake).catch((e: unknown) => e)
    t.ok(isTankError(error, 'INVALID_REQUEST'), `announced ${announced}, sent 100`)
  }
})

t.test('UPL8: a sender that goes away is no end of the body', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  const source = new PassThrough()
  const intake = new Intake(source, {
    announced: undefined,
    cap: 1000,
    digests: pool.open(['sha256'])
  })
  const end = collect(intake).catch((e: unknown) => e)
  source.write(Buffer.alloc(10))
  setImmediate(() => source.destroy())
  t.ok((await end) instanceof SenderGone)
})

t.test('UPL8: neither is one that went away before the body was looked at', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  const source = new PassThrough()
  source.destroy()
  await once(source, 'close')
  const digests = pool.open(['sha256'])
  const intake = new Intake(source, { announced: undefined, cap: 1000, digests })
  t.ok((await collect(intake).catch((e: unknown) => e)) instanceof SenderGone)
})

t.test('S-34: half-filled blocks of many uploads stay within a budget', async (t) => {
  t.equal(blockSize(1), MIB)
  t.equal(blockSize(64), MIB)
  t.equal(blockSize(1000), 65536)
  for (const uploads of [1, 3, 50, 65, 500, 1000]) t.ok(uploads * blockSize(uploads) <= 64 * MIB)
})

function* slices(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** A registry of which only the heartbeat is called. */
function heartbeats(answer: (beat: number) => Promise<Lease>): {
  readonly registry: RegistryClient
  readonly beats: () => number
} {
  let beats = 0
  const registry = { heartbeat: () => answer(++beats) } as unknown as RegistryClient
  return { registry, beats: () => beats }
}

function keep(registry: RegistryClient, lease: Lease) {
  return keepLease({
    registry,
    caller: { project: null, user: null, scope: 'all', requestId: 'req-x' },
    operationId: 'o',
    attempt: 'a',
    begunAt: performance.now(),
    lease,
    progress: () => 0,
    log: createLogger({ level: 'silent' })
  })
}

const aborted = (signal: AbortSignal) =>
  new Promise<unknown>((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))

t.test('a lease is renewed for as long as the registry says so', async (t) => {
  const lease = { lease_ms: 200, heartbeat_ms: 40 }
  const { registry, beats } = heartbeats(async () => lease)
  const keeper = keep(registry, lease)
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.notOk(keeper.signal.aborted, 'long after the first lease would have run out')
  t.ok(beats() > 3)
  keeper.stop()
})

t.test('a lease that is gone, over quota or out of reach stops the writer', async (t) => {
  for (const [thrown, wanted] of [
    ['OPERATION_GONE', 'IMAGE_GONE'],
    ['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED'],
    ['REGISTRY_UNAVAILABLE', 'REGISTRY_UNAVAILABLE']
  ] as const) {
    const { registry } = heartbeats(async () => {
      throw new TankError(thrown, 'no')
    })
    const keeper = keep(registry, { lease_ms: 150, heartbeat_ms: 30 })
    t.ok(isTankError(await aborted(keeper.signal), wanted), thrown)
  }
})
