import { Readable } from 'node:stream'
import { newKey } from '@tank/store'
import fastify from 'fastify'
import t from 'tap'
import storeMemory from '../src/index.ts'

const body = (size: number) => Readable.from([Buffer.alloc(size)])

t.test('an application takes the store as a plugin', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(storeMemory, { as: 'main', maxBytes: 100 })
  await app.ready()
  const store = app.stores.get('main')
  t.equal(app.stores.default, 'main')
  const [first, second, third] = [newKey(), newKey(), newKey()]
  t.strictSame(await store?.put?.(first, body(60)), { size: 60 })
  await t.rejects(async () => store?.put?.(second, body(41)), { code: 'FULL' })
  await t.rejects(async () => store?.copy?.(first, second), { code: 'FULL' })
  t.strictSame(await store?.put?.(second, body(40)), { size: 40 })
  await store?.delete?.(first)
  t.strictSame(await store?.copy?.(second, third), { size: 40 })
  await t.rejects(async () => store?.copy?.(second, third), { code: 'EXISTS' })
})

t.test('wrong options are refused with a reason', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  const wrong = { maxByte: 5 } as unknown as { maxBytes: number }
  await t.rejects(async () => app.register(storeMemory, wrong), {
    name: 'StoreOptionsError',
    faults: ['/maxBytes: missing', '/maxByte: unknown option']
  })
})
