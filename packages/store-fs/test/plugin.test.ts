import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isWritable } from '@tank/store'
import fastify from 'fastify'
import t from 'tap'
import storeFs from '../src/index.ts'
import { body, files, noMount, smallFileSystem } from './surroundings.ts'

t.test('one line brings the store into an application', async (t) => {
  const root = join(t.testdir(), 'images')
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(storeFs, { root })
  await app.ready()
  const store = app.stores.get('fs')
  t.ok(store !== undefined && isWritable(store))
  t.equal(app.stores.default, 'fs')
  const key = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed'
  t.strictSame(await store?.put?.(key, body(1000), { size: 1000 }), { size: 1000 })
  t.match(String(store?.url?.(key)), /^file:\/\/\/.*\/images\/1b\/1b9d6bcd-bbfd/)
  t.strictSame(await files(root), [key])
})

t.test('two stores, each with its name', async (t) => {
  const dir = t.testdir()
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(storeFs, { root: join(dir, 'a'), as: 'fast', weight: 10 })
  await app.register(storeFs, { root: join(dir, 'b'), as: 'large', default: true })
  await app.ready()
  t.strictSame(app.stores.names(), ['fast', 'large'])
  t.equal(app.stores.default, 'large')
})

t.test('all wrong options in one message', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  const wrong = { as: 'main', fileMode: '0999', blockSize: 1, rooot: '/x' }
  await t.rejects(async () => app.register(storeFs, wrong as unknown as { root: string }), {
    name: 'StoreOptionsError',
    message: /^store "main" \(fs\): /,
    faults: [/^\/root: missing/, /^\/rooot: unknown/, /^\/blockSize: /, /^\/fileMode: /]
  })
})

t.test('a missing file system lets the application start without it', async (t) => {
  const dir = t.testdir()
  const lines: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line) => lines.push(line) } } })
  t.teardown(() => app.close())
  await app.register(storeFs, { root: join(dir, 'mnt', 'images'), as: 'away' })
  await app.ready()
  t.match(lines.join(''), /"store":"away".*starting without it/)
  t.match(lines.join(''), /is its file system mounted/)
  await mkdir(join(dir, 'mnt'))
  const store = app.stores.get('away')
  t.ok(store?.check)
  await t.resolves(store?.check?.() ?? Promise.reject(), 'and works once it is there')
})

const reason = await noMount()
t.test('a root that refuses us ends the start', reason ? { skip: reason } : {}, async (t) => {
  const small = await smallFileSystem(65_536, ',ro')
  t.teardown(small.remove)
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(storeFs, { root: small.path })
  await t.rejects(async () => app.ready(), {
    message: /^store "fs" \(fs\) cannot be used: the file system is read-only \(open .*probe/
  })
})
