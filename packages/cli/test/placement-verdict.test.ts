import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { StoredPlacement } from '@tank/client'
import { type Store, StoreError } from '@tank/store'
import t from 'tap'
import { keyText, verdictOf } from '../src/admin/placement-verdict.ts'
import { verifyPlacement } from '../src/admin/verify-placement.ts'
import { sleep } from './programs.ts'

const bytes = Buffer.alloc(2000, 'x')
const sha256 = createHash('sha256').update(bytes).digest('hex')
const placement: StoredPlacement = {
  id: 'p',
  store: 'main',
  key: 'k',
  role: 'data',
  size: bytes.length,
  digests: { sha256 },
  images: []
}
const options = { signal: new AbortController().signal, rate: undefined }
const registryWith = (isStored: boolean) => ({
  ...options,
  registry: { isStored: async () => isStored }
})
const storeOf = (get: () => Promise<Readable>, check?: () => Promise<void>) =>
  ({ get: async () => ({ size: undefined, body: await get() }), check }) as unknown as Store

const sound = storeOf(async () => Readable.from([bytes]))

t.test('a placement is well only when a digest says so', async (t) => {
  const verdict = (of: StoredPlacement, store = sound, isStored = true) =>
    verdictOf(registryWith(isStored), store, of)
  t.same(await verdict(placement), { is: 'well' })
  t.same(await verdict({ ...placement, size: null, digests: {} }), { is: 'unproven' })
  t.same(await verdict({ ...placement, digests: { 'no-such-hash': 'x' } }), { is: 'unproven' })
  t.match(await verdict({ ...placement, size: 1, digests: {} }), { is: 'bad', fault: /2000 bytes/ })
  const lost = storeOf(async () => {
    throw new StoreError('NOT_FOUND', 'there is nothing')
  })
  t.match(await verdict(placement, lost), { is: 'bad', fault: /^cannot be read: there is nothing/ })
  t.same(await verdict(placement, lost, false), { is: 'gone' }, 'deleted meanwhile')
})

t.test('a store that is away fails as a store, an image that is away as an image', async (t) => {
  const get = async () => {
    throw new StoreError('UNAVAILABLE', 'no answer')
  }
  const away = new Error('the store is away')
  const whole = storeOf(get, () => Promise.reject(away))
  await t.rejects(verdictOf(registryWith(true), whole, placement), away)
  const one = await verdictOf(
    registryWith(true),
    storeOf(get, async () => {}),
    placement
  )
  t.match(one, { is: 'bad', fault: /no answer/ })
})

t.test('nobody waits for bytes while the rate is kept', async (t) => {
  const halves = storeOf(async () => Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]))
  const slow = verifyPlacement(halves, placement, { ...options, rate: 5000, silenceMs: 50 })
  t.same(await slow, [], '200 ms for each half')
  const get = async (_key: string, { signal }: { readonly signal: AbortSignal }) => {
    while (!signal.aborted) await sleep(10)
    throw signal.reason
  }
  const silent = { get } as unknown as Store
  await t.rejects(verifyPlacement(silent, placement, { ...options, silenceMs: 50 }), /no byte came/)
})

t.test('S-02 a key that is an address is told without what may open it', (t) => {
  t.equal(keyText('ab/cdef'), 'ab/cdef')
  const url = keyText('https://user:canary@host:1/image?X-Signature=canary#canary')
  t.equal(url, 'https://***@host:1/image?***')
  t.end()
})
