import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fileName } from '../src/image/pull.ts'
import { serve } from './fake-services.ts'
import { folder } from './programs.ts'
import { tank } from './service.ts'

t.setTimeout(60_000)

/** Pushes to a service that answers a creation so; which images it was told to delete. */
async function push(t: Test, onCreate: (reply: ServerResponse) => void, ...flags: string[]) {
  const deleted: string[] = []
  const url = await serve(t, (request, reply) => {
    if (request.method === 'DELETE') deleted.push(String(request.url))
    if (request.method === 'POST') onCreate(reply)
    else reply.writeHead(204).end()
  })
  const args = ['push', '-', '--name', 'x', '--disk-format', 'raw', '--url', url, ...flags]
  return { ...(await tank(args, { input: Buffer.from('abc') })), deleted }
}

const answers = [
  ['a closed connection', (reply: ServerResponse) => void reply.socket?.destroy()],
  ['a 502', (reply: ServerResponse) => void reply.writeHead(502).end('bad gateway')]
] as const

for (const [what, onCreate] of answers) {
  t.test(`push after ${what} in answer to its creation`, async (t) => {
    const id = randomUUID()
    const given = await push(t, onCreate, '--id', id)
    t.not(given.code, 0)
    t.same(given.deleted, [], 'it may have been there before')
    t.match(given.err, `image ${id} may have been made`)
    const own = await push(t, onCreate)
    t.match(own.deleted, [/^\/v2\/images\/[0-9a-f-]{36}$/], 'nobody else has this id')
    t.notMatch(own.err, 'may have been made')
  })
}

t.test('push of an id that is taken: nothing is deleted, nothing is in doubt', async (t) => {
  const taken = await push(t, (reply) => void reply.writeHead(409).end(), '--id', randomUUID())
  t.same(taken.deleted, [])
  t.notMatch(taken.err, 'may have been made')
})

t.test('what cannot be opened is told before anything is made for it', async (t) => {
  // a file that nobody can open, root neither
  const path = join(folder(t), 'socket')
  const socket = createServer().listen(path)
  t.teardown(() => socket.close())
  await once(socket, 'listening')
  const asked: unknown[] = []
  const url = await serve(t, ({ method }, reply) => {
    asked.push(method)
    reply.writeHead(404).end()
  })
  const pushed = await tank(['push', path, '--disk-format', 'raw', '--url', url])
  t.match(pushed, { code: 1, out: '', err: /^tank: cannot read .*socket: ENXIO/ })
  const uploaded = await tank(['upload', path, 'x', '-U', url])
  t.match(uploaded, { code: 1, out: /^cannot read .*socket: ENXIO/ })
  t.same(asked, [])
})

t.test('S-25 nothing that a service says leads a pull to another folder', (t) => {
  const id = '00000000-0000-4000-8000-000000000001'
  const file = (fields: object) =>
    fileName({ id, name: null, disk_format: null, ...fields } as Parameters<typeof fileName>[0])
  t.equal(file({ name: 'debian', disk_format: 'qcow2' }), 'debian.qcow2')
  t.equal(file({}), `${id}.img`)
  t.equal(file({ name: 'x', disk_format: '/../../.profile' }), 'x.img')
  t.equal(file({ id: '../../etc/cron.d/x' }), 'image.img')
  t.equal(file({ name: '../..', id: '..' }), 'image.img')
  t.end()
})
