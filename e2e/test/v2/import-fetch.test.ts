import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import httpStore from '@tank/store-http'
import t, { type Test } from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { digest, importBy, over, tasks } from '../../src/imports.ts'
import { openStack, P1, type Stack } from '../../src/stack.ts'

t.setTimeout(120_000)

const IMAGE = randomBytes(300_000)

/** A web server on one address of this machine. */
async function openOrigin(t: Test, host: string, port: number, listener: RequestListener) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    listener(request, response)
  })
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

const answers =
  (target: () => string): RequestListener =>
  ({ url }, response) => {
    if (url === '/image') response.writeHead(200, { 'content-length': IMAGE.length }).end(IMAGE)
    else if (url === '/chunks') response.end(IMAGE)
    else if (url === '/short') {
      response.writeHead(200, { 'content-length': IMAGE.length }).write(IMAGE.subarray(0, 1000))
      setTimeout(() => response.destroy(), 50)
    } else if (url === '/here') response.writeHead(302, { location: '/image' }).end()
    else if (url === '/inside') response.writeHead(302, { location: target() }).end()
    else if (url === '/port') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    else response.writeHead(404).end()
  }

/** A web server that may be read, one beside it that may not, and a service that reads. */
async function open(t: Test) {
  const inside = await openOrigin(
    t,
    '127.0.0.2',
    0,
    answers(() => '')
  )
  const { port } = inside
  const secret = `http://127.0.0.2:${port}/image`
  const allowed = await openOrigin(
    t,
    '127.0.0.1',
    port,
    answers(() => secret)
  )
  const main = new FakeStore()
  const web = {
    use: 'http',
    allowHttp: true,
    ports: [port],
    allow: ['127.0.0.1'],
    openSeconds: 1
  }
  const stack = await openStack({
    api: { stores: { main: { use: 'main' }, web }, jobs: { pollSeconds: 0.1 } },
    plugins: { main: main.plugin(), http: httpStore }
  })
  t.teardown(() => stack.close())
  return { stack, main, port, inside, allowed }
}

async function fetched(stack: Stack, uri: string) {
  const { id } = await stack.create(P1)
  const { status } = await importBy(stack, id, { name: 'web-download', uri })
  if (status !== 202) return { id, status, image: undefined, message: '' }
  const image = await over(stack, id)
  const [task] = await tasks(stack, id)
  return { id, status, image, message: task.message as string }
}

t.test('web-download over HTTP', async (t) => {
  const { stack, main, port, inside, allowed } = await open(t)
  const base = `http://127.0.0.1:${port}`

  await t.test(
    'IMP6: an image comes as it is, with its size or in chunks, redirected or not',
    async (t) => {
      for (const path of ['/image', '/chunks', '/here', '/image#part']) {
        const { image } = await fetched(stack, `${base}${path}`)
        t.match(image, { status: 'active', size: IMAGE.length, os_hash_value: digest(IMAGE) }, path)
      }
    }
  )

  await t.test('IMP7, S-18: a foreign port, and other ways to write an address', async (t) => {
    const before = allowed.asked.length
    for (const uri of [
      'http://127.0.0.1:22/',
      `http://127.1:${port}/image`,
      `http://2130706433:${port}/image`,
      `http://0x7f000001:${port}/image`,
      `http://017700000001:${port}/image`,
      `http://①②⑦.0.0.1:${port}/image`,
      `http://127.0.0.1.:${port}/image`,
      `http://[::ffff:127.0.0.1]:${port}/image`,
      `http://x@127.0.0.1:${port}/image`
    ]) {
      const { id } = await stack.create(P1)
      const { status, body } = await importBy(stack, id, { name: 'web-download', uri })
      t.equal(status, 400, uri)
      t.match(body.error.message, 'does not pass filtering')
    }
    t.equal(allowed.asked.length, before, 'nobody was asked')
  })

  await t.test(
    'IMP8, IMP9, S-17, S-18, S-20: what must not be read, and what cannot',
    async (t) => {
      const messages = new Set<string>()
      for (const uri of [
        `http://127.0.0.2:${port}/image`,
        `http://[::1]:${port}/image`,
        `http://169.254.169.254:${port}/latest/meta-data/`,
        `http://localhost:${port}/image`,
        `${base}/inside`,
        `${base}/port`,
        `${base}/missing`,
        `${base}/short`
      ]) {
        const { image, status, message } = await fetched(stack, uri)
        t.equal(status, 202, uri)
        t.match(image, { status: 'queued', size: null, os_glance_failed_import: 'main' }, uri)
        messages.add(message)
      }
      t.same(inside.asked, [], 'the server inside was never asked')
      t.equal(messages.size, 1, [...messages].join(' | '))
      t.notMatch([...messages][0], /127|denied|404|refused/)
    }
  )

  await t.test('S-02: a location with a token in it is in no error', async (t) => {
    const { message } = await fetched(stack, `${base}/missing?token=hunter2`)
    t.notMatch(message, 'hunter2')
  })
  t.equal(main.bytes.size, 4, 'one for each that came whole')
})
