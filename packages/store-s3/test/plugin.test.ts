import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import { isWritable } from '@tank/store'
import fastify from 'fastify'
import t from 'tap'
import storeS3 from '../src/index.ts'
import { openFake } from './servers.ts'
import { body, bytesOf } from './surroundings.ts'

t.test('one line brings the store into an application', async (t) => {
  const server = await openFake()
  const app = fastify()
  t.teardown(async () => {
    await app.close()
    await server.close()
  })
  await app.register(storeS3, server.options)
  await app.ready()
  const store = app.stores.get('s3')
  t.ok(store !== undefined && isWritable(store))
  t.equal(app.stores.default, 's3')
  const key = randomUUID()
  t.strictSame(await store?.put?.(key, body(bytesOf(1000)), { size: 1000 }), { size: 1000 })
  t.strictSame(await server.leftovers(), [`object ${server.options.prefix}${key}`])
})

t.test('all wrong options in one message', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  const wrong = {
    as: 'main',
    bukket: 'images',
    prefix: '/images',
    endpoint: 'https://user:secret@s3.example.org',
    partSize: 1
  }
  await t.rejects(async () => app.register(storeS3, wrong as unknown as { bucket: string }), {
    name: 'StoreOptionsError',
    message: /^store "main" \(s3\): /,
    faults: [/^\/bucket: missing/, /^\/bukket: unknown/, /./, /./, /./]
  })
})

t.test('a refused key ends the start, and says what to do', async (t) => {
  const server = await openFake()
  t.teardown(() => server.close())
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(storeS3, { ...server.options, secretAccessKey: 'wrong' })
  await t.rejects(async () => app.ready(), {
    message: /^store "s3" \(s3\) cannot be used: .*correct `secretAccessKey`/
  })
})

t.test('a server that is away lets the application start without it', async (t) => {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line) => lines.push(line) } } })
  t.teardown(() => app.close())
  await app.register(storeS3, {
    bucket: 'images',
    endpoint: 'http://127.0.0.1:1',
    accessKeyId: 'key',
    secretAccessKey: 'canary-of-the-log'
  })
  await app.ready()
  t.match(lines.join(''), /starting without it/)
  t.match(lines.join(''), /cannot be reached/)
  t.notMatch(lines.join(''), /canary-of-the-log/, 'S-02')
})

t.test('opening a store prints nothing, and changes nothing', async (t) => {
  const index = new URL('../src/index.js', import.meta.url).href
  const text = `
    const before = JSON.stringify(process.env)
    const { openS3Store } = await import('${index}')
    const store = await openS3Store({ bucket: 'images', endpoint: 'http://127.0.0.1:1', accessKeyId: 'a', secretAccessKey: 'b' })
    await store.check().catch(() => {})
    await store.close()
    if (JSON.stringify(process.env) !== before) console.log('the environment changed')`
  const args = ['--input-type=module', '--eval', text]
  const { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: _, ...env } = process.env
  const bare = Object.fromEntries(Object.entries(env).filter(([name]) => !/^(TAP|NODE)/.test(name)))
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env: bare })
  t.equal(stdout, '')
  t.equal(stderr, '')
})
