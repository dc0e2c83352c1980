import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { folder, sleep } from './programs.ts'
import { startService, tank } from './service.ts'

t.setTimeout(120_000)

const bytes = randomBytes(200_000)

/** A web server with one disk. */
async function startMirror() {
  const server = createServer((request, reply) => {
    if (request.url === '/disk.raw') reply.end(bytes)
    else reply.writeHead(404).end()
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const port = await startMirror()
const root = folder(t)
const service = await startService({
  api: {
    defaultStore: 'main',
    stores: {
      main: { use: '@tank/store-fs', root: join(root, 'main'), description: 'near' },
      cold: { use: '@tank/store-fs', root: join(root, 'cold') },
      web: { use: '@tank/store-http', allowHttp: true, ports: [port], allow: ['127.0.0.1'] }
    },
    cache: { maxSize: 10_000_000, stores: ['main', 'cold'] }
  }
})
const asA = { env: service.env('A') }
const asAdmin = { env: service.env('admin') }

const field = async (image: string, name: string) =>
  (await tank(['image', 'show', image, '-o', 'value', '-c', name], asA)).out.trim()

t.test('the service fetches an image, and tells why it could not', async (t) => {
  t.equal((await tank(['image', 'create', 'fetched'], asA)).code, 0)
  const uri = `http://127.0.0.1:${port}`
  const done = await tank(['image', 'import', 'fetched', '--uri', `${uri}/disk.raw`, '--wait'], asA)
  t.match(done, { code: 0, err: /^fetched is active, in main$/m })
  t.equal(await field('fetched', 'size'), String(bytes.length))
  t.match((await tank(['image', 'tasks', 'fetched'], asA)).out, /api_image_import +success/)
  t.equal((await tank(['image', 'create', 'absent'], asA)).code, 0)
  const failed = await tank(['image', 'import', 'absent', '--uri', `${uri}/no`, '--wait'], asA)
  t.match(failed, { code: 1, out: '', err: /^tank: the import failed: /m })
  t.equal(await field('absent', 'status'), 'queued')
})

t.test('a file that is sent first, and copies in further stores', async (t) => {
  const file = join(t.testdir(), 'disk.raw')
  writeFileSync(file, bytes)
  t.equal((await tank(['image', 'create', 'staged'], asA)).code, 0)
  const done = await tank(['image', 'import', 'staged', '--file', file, '--wait'], asA)
  t.match(done, { code: 0, err: /staged is active, in main/ })
  const copied = await tank(['image', 'copy', 'staged', 'cold', '-w', '-q'], asAdmin)
  t.match(copied, { code: 0, out: '', err: '' })
  t.same((await field('staged', 'stores')).split(',').sort(), ['cold', 'main'])
  const unknown = await tank(['image', 'copy', 'staged', 'nowhere'], asAdmin)
  t.equal(unknown.code, 1, unknown.err)
})

t.test('what a pull leaves is where the next one goes on', async (t) => {
  const file = join(t.testdir(), 'x.raw')
  const pulled = await tank(['pull', 'staged', '-o', file, '--parallel', '2'], asA)
  t.match(pulled, { code: 0, out: `${file}\n` }, pulled.err)
  t.ok(readFileSync(file).equals(bytes))
})

t.test('the stores of a service', async (t) => {
  const shown = await tank(['stores', '-o', 'value'], asA)
  t.match(shown, { code: 0, out: /^main\ttrue\tfalse\tnear\n/ }, shown.err)
  t.equal((await tank(['stores', '--long'], asA)).code, 4)
  t.match((await tank(['stores', '-l'], asAdmin)).out, /^main +true +false +near +fs +0$/m)
})

t.test('the cache of a node', async (t) => {
  const id = await field('staged', 'id')
  const list = async () =>
    (await tank(['cache', 'list', '-o', 'value', '-c', 'image_id,state'], asAdmin)).out
  t.equal((await tank(['cache', 'list'], asA)).code, 4)
  const queued = await tank(['cache', 'queue', 'staged'], asAdmin)
  t.equal(queued.code, 0, queued.err)
  const deadline = Date.now() + 30_000
  while (!(await list()).includes('cached') && Date.now() < deadline) await sleep(50)
  t.equal(await list(), `${id}\tcached\n`)
  t.match((await tank(['cache', 'list'], asAdmin)).out, /195 KiB +0 +- +20\d\d-/)
  t.equal((await tank(['cache', 'delete', id], asAdmin)).code, 0)
  t.equal(await list(), '')
  t.match(await tank(['cache', 'clear'], asAdmin), { code: 2, err: /Empty the cache and queue/ })
  t.equal((await tank(['cache', 'clear', '--yes'], asAdmin)).code, 0)
})

t.test('mistakes', async (t) => {
  const mistakes: [args: string[], says: RegExp][] = [
    [['image', 'import', 'x'], /--uri URL or --file FILE/],
    [['image', 'import', 'x', '--uri', 'a', '--file', 'b'], /--uri URL or --file FILE/],
    [['image', 'copy', 'x'], /Say to which store/],
    [['image', 'copy', 'x', 'y', '--all-stores'], /not both/],
    [['cache', 'clear', '--target', 'x'], /--target is cache, queue or both/],
    [['cache', 'queue'], /Say which image/]
  ]
  for (const [args, says] of mistakes) {
    t.match(await tank(args, asA), { code: 2, out: '', err: says }, args.join(' '))
  }
})
