import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { TankClientError } from '@tank/client'
import t from 'tap'
import { toCommandError } from '../src/remote/failures.ts'
import { bin, sleep } from './programs.ts'
import { startService, tank } from './service.ts'

t.setTimeout(120_000)

const service = await startService()
const env = service.env('A')
const bytes = randomBytes(3_000_000)

const names = async () =>
  (await tank(['image', 'list', '-o', 'value', '-c', 'name'], { env })).out.split('\n')

const start = (args: string[], stdio: ('pipe' | number)[]) =>
  spawn(process.execPath, [bin('tank'), ...args], { env: { ...env, PATH: '' }, stdio })

async function listening(
  test: { teardown(fn: () => void): void },
  server: Server
): Promise<number> {
  test.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

t.test('no service', async (t) => {
  const closed = createServer()
  const free = await listening(t, closed)
  closed.close()
  await once(closed, 'close')
  const away = await tank(['image', 'list', '--url', `http://127.0.0.1:${free}`])
  t.match(away, { code: 5, out: '' })
  t.match(
    away.err,
    /^tank: no service answers at http:\/\/127.0.0.1:\d+ \(--url\). Start one with tank/
  )
  const unknown = await tank(['image', 'list', '--url', 'http://tank.invalid'])
  t.match(unknown, { code: 5, err: /no machine is called tank.invalid \(--url\)/ })
})

t.test('no token, a wrong one', async (t) => {
  const { TANK_URL = '' } = env
  const none = await tank(['image', 'list'], { env: { TANK_URL } })
  t.match(none, { code: 4, err: /wants to know who you are. Use tank login, or set TANK_TOKEN/ })
  const wrong = await tank(['image', 'list'], { env: { TANK_URL, TANK_TOKEN: 'canary' } })
  t.match(wrong, { code: 4, err: /refuses the token of TANK_TOKEN/ })
  t.notMatch(wrong.err, /canary/)
})

const openssl = spawnSync('openssl', ['version']).status === 0
t.test('a certificate of an unknown authority', { skip: !openssl && 'no openssl' }, async (t) => {
  const dir = t.testdir()
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  ])
  if (made.status !== 0) throw new Error(String(made.stderr))
  const answer = JSON.stringify({ images: [] })
  const server = createTlsServer(
    { key: readFileSync(key), cert: readFileSync(cert) },
    (_request, reply) => reply.end(answer)
  )
  const port = await listening(t, server)
  const url = `https://127.0.0.1:${port}`
  const refused = await tank(['image', 'list', '--url', url])
  t.match(refused, { code: 5, err: /authority that this machine does not know.*--cacert FILE/ })
  t.match(await tank(['image', 'list', '--url', url, '--cacert', cert]), { code: 0 })
  t.match(await tank(['image', 'list', '--url', url], { env: { TANK_CACERT: cert } }), { code: 0 })
  const absent = await tank(['image', 'list', '--url', url, '--cacert', '/a/b'])
  t.match(absent, { code: 2, err: /--cacert/ })
  const plain = await tank(['image', 'list', '--url', env.TANK_URL?.replace('http', 'https') ?? ''])
  t.match(plain, { code: 5, err: /does not speak TLS. Is it http:/ })
})

t.test('something else than an image service', async (t) => {
  const port = await listening(
    t,
    createHttp((_request, reply) => reply.end('<html>'))
  )
  const shown = await tank(['image', 'list', '--url', `http://127.0.0.1:${port}`])
  t.match(shown, { code: 1, err: /what answers at .* is no image service/ })
})

t.test('disks that are full, here and there', async (t) => {
  const file = join(t.testdir(), 'full.raw')
  writeFileSync(file, bytes)
  t.equal((await tank(['push', file], { env })).code, 0)
  if (existsSync('/dev/full')) {
    const program = start(['pull', 'full', '-o', '-'], ['pipe', openSync('/dev/full', 'w'), 'pipe'])
    let err = ''
    program.stderr?.on('data', (chunk) => {
      err += chunk
    })
    const [code] = await once(program, 'close')
    t.match([code, err], [1, /tank: the disk is full: /])
    const list = start(['image', 'list'], ['pipe', openSync('/dev/full', 'w'), 'pipe'])
    t.match(await once(list, 'close'), [1])
  }
  const port = await listening(
    t,
    createHttp((request, reply) => {
      request.resume()
      const isUpload = request.method === 'PUT'
      reply.writeHead(isUpload ? 413 : 201, { 'content-type': 'application/json' })
      const image = { id: '00000000-0000-4000-8000-000000000001', status: 'queued' }
      reply.end(JSON.stringify(isUpload ? { message: 'The store is full' } : image))
    })
  )
  const there = await tank(['push', file, '--url', `http://127.0.0.1:${port}`])
  t.match(there, { code: 1, err: /has no room for it: The store is full. Delete images/ })
})

t.test(
  'what is printed to a disk that is full has failed, whatever printed it',
  {
    skip: !existsSync('/dev/full') && 'no /dev/full'
  },
  async (t) => {
    for (const args of [
      ['help'],
      ['completion', 'bash'],
      ['inspect', process.execPath, '-o', 'json']
    ]) {
      const program = start(args, ['pipe', openSync('/dev/full', 'w'), 'pipe'])
      const [err, [code]] = await Promise.all([
        text(program.stderr as Readable),
        once(program, 'close')
      ])
      t.match([code, err], [1, /^tank: the result could not be written: ENOSPC/], args.join(' '))
    }
  }
)

t.test('nobody who reads what is told is no failure, and ends no push', async (t) => {
  const program = start(['push', '-', '--name', 'unheard'], ['pipe', 'pipe', 'pipe'])
  for (const stream of [program.stdout, program.stderr]) stream?.destroy()
  program.stdin?.end(bytes)
  t.match(await once(program, 'close'), [0])
  t.ok((await names()).includes('unheard'))
})

t.test('a file that may not be written', async (t) => {
  const cause = Object.assign(new Error('no'), { code: 'EACCES', path: '/x/y' })
  const error = new TankClientError('TARGET_FAILED', 'the bytes could not be written', { cause })
  const connection = { url: 'http://x', source: '', token: '', tokenSource: '', caFile: '' }
  t.match(toCommandError(error, connection), {
    exitCode: 1,
    message: 'this user may not have /x/y written.'
  })
})

t.test('a pull that fails leaves nothing', async (t) => {
  const dir = t.testdir()
  mkdirSync(join(dir, 'no'))
  t.match(await tank(['pull', 'full', '-o', join(dir, 'absent', 'x')], { env }), {
    code: 1,
    err: /^tank: there is no /m
  })
  t.same(readdirSync(dir), ['no'])
})

t.test('Ctrl-C in a push leaves no image; a reader who leaves is no failure', async (t) => {
  const program = start(['push', '-', '--name', 'interrupted'], ['pipe', 'pipe', 'pipe'])
  let [out, err] = ['', '']
  program.stdout?.on('data', (chunk) => {
    out += chunk
  })
  program.stderr?.on('data', (chunk) => {
    err += chunk
  })
  program.stdin?.write(bytes)
  program.stdin?.on('error', () => {})
  const deadline = Date.now() + 30_000
  while (!(await names()).includes('interrupted') && Date.now() < deadline) await sleep(20)
  program.kill('SIGINT')
  t.match([...(await once(program, 'close')), out], [130, null, ''])
  t.match(err, /^tank: interrupted$/m)
  t.notOk((await names()).includes('interrupted'))
  const list = start(['image', 'list'], ['pipe', 'pipe', 'pipe'])
  list.stdout?.destroy()
  let said = ''
  list.stderr?.on('data', (chunk) => {
    said += chunk
  })
  t.match(await once(list, 'close'), [0])
  t.equal(said, '')
})
