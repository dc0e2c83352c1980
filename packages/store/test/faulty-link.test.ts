import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { FaultyLink, type LinkMode } from '../src/conformance/index.ts'

/** A link to a server that sends back what it gets. */
async function openLink(t: Test): Promise<FaultyLink> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const link = await FaultyLink.open(address.port)
  t.teardown(async () => {
    await link.close()
    server.close()
  })
  return link
}

/** What comes back of so many bytes, and whether the connection ended in order. */
async function echo(port: number, bytes: number): Promise<{ back: number; error?: string }> {
  const socket: Socket = connect(port, '127.0.0.1')
  let back = 0
  socket.on('data', (chunk) => {
    back += chunk.length
  })
  const ended = once(socket, 'end')
  socket.end(Buffer.alloc(bytes))
  return await ended.then(
    () => ({ back }),
    (error: NodeJS.ErrnoException) => ({ back, error: error.code ?? error.message })
  )
}

t.test('a link passes bytes on until it is told to fail', async (t) => {
  const link = await openLink(t)
  t.same(await echo(link.port, 300_000), { back: 300_000 })
  const failing: LinkMode[] = [
    { kind: 'refuse' },
    { kind: 'cut', bytes: 1000 },
    { kind: 'reset', bytes: 1000 }
  ]
  for (const mode of failing) {
    const restore = await link.fault(mode)()
    const { back, error } = await echo(link.port, 300_000)
    // after a cut the client, which has sent everything, may see no more than an early end
    if (mode.kind !== 'cut') t.equal(error, 'ECONNRESET', mode.kind)
    t.ok(back <= 1000, `${mode.kind}: at most what it lets pass`)
    await restore()
    t.same(await echo(link.port, 10), { back: 10 }, `after ${mode.kind}`)
  }
})

t.test('a link that hangs or is slow', async (t) => {
  const link = await openLink(t)
  link.set({ kind: 'hang' })
  const hung = echo(link.port, 10)
  const first = await Promise.race([hung, new Promise((resolve) => setTimeout(resolve, 200, 0))])
  t.equal(first, 0, 'no answer')
  link.set({ kind: 'pass' })
  t.match(await hung, { back: 0, error: 'ECONNRESET' }, 'a change ends what is open')
  link.set({ kind: 'slow', bytesPerSecond: 100_000 })
  const began = performance.now()
  t.same(await echo(link.port, 10_000), { back: 10_000 })
  t.ok(performance.now() - began >= 190, 'twice a tenth of a second')
})
