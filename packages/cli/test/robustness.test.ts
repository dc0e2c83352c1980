import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import t, { type Test } from 'tap'
import { bin, folder, sleep } from './programs.ts'
import { startService, tank } from './service.ts'

t.setTimeout(120_000)

const service = await startService()
const env = service.env('A')
// several parts of 16 MiB, each of which is kept once it is whole
const bytes = randomBytes(40_000_000)
const pushed = await tank(['push', '-', '--name', 'disk', '--disk-format', 'raw', '-q'], {
  env,
  input: bytes
})
if (pushed.code !== 0) throw new Error(pushed.err)

interface Proxy {
  readonly url: string
  /** `Range` headers of the downloads that passed, and their bytes. */
  readonly ranges: (string | undefined)[]
  bytes: number
}

/** Stands before the service; `change` sees the bytes of a download as they pass. */
async function startProxy(t: Test, change: () => Transform): Promise<Proxy> {
  const { hostname, port } = new URL(service.url)
  const proxy: Proxy = { url: '', ranges: [], bytes: 0 }
  const pass = (from: IncomingMessage, to: ServerResponse) => {
    const { method, url: path = '', headers } = from
    const isDownload = method === 'GET' && path.endsWith('/file')
    if (isDownload) proxy.ranges.push(headers.range)
    const inner = httpRequest({ hostname, port, method, path, headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers)
      if (!isDownload) return answer.pipe(to)
      answer.on('data', (chunk: Buffer) => {
        proxy.bytes += chunk.length
      })
      return answer.pipe(change()).pipe(to)
    })
    inner.on('error', () => to.destroy())
    to.on('close', () => inner.destroy())
    from.pipe(inner)
  }
  const server = createServer(pass)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return Object.assign(proxy, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

/** Lets so many bytes of all downloads pass, then none. */
function stopAfter(count: number): () => Transform {
  let passed = 0
  return () =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const part = chunk.subarray(0, count - passed)
        passed += part.length
        // never done: what comes after it waits for ever
        if (part.length < chunk.length) this.push(part)
        else done(null, chunk)
      }
    })
}

function flipAt(position: number): Transform {
  let passed = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const at = position - passed
      passed += chunk.length
      if (at < 0 || at >= chunk.length) return done(null, chunk)
      const changed = Buffer.from(chunk)
      changed[at] = (changed[at] ?? 0) ^ 1
      return done(null, changed)
    }
  })
}

const sizeOf = (dir: string) =>
  readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)

const start = (args: string[], more: Record<string, string> = {}) =>
  spawn(process.execPath, [bin('tank'), ...args], {
    env: { ...env, ...more },
    stdio: ['pipe', 'pipe', 'pipe']
  })

t.test('a pull that is killed at 60 % goes on from there, and verifies the whole', async (t) => {
  const stalled = await startProxy(t, stopAfter(24_000_000))
  const dir = folder(t)
  const target = join(dir, 'copy.raw')
  const program = start(['pull', 'disk', '-o', target, '-q'], { TANK_URL: stalled.url })
  const deadline = Date.now() + 60_000
  while (sizeOf(dir) < 23_000_000 && Date.now() < deadline) await sleep(50)
  program.kill('SIGKILL')
  await once(program, 'close')
  t.notOk(existsSync(target), 'it has its name only when it is whole')
  const left = sizeOf(dir)
  t.ok(left >= 23_000_000, `${left} bytes were kept`)
  const proxy = await startProxy(
    t,
    () => new Transform({ transform: (chunk, _e, done) => done(null, chunk) })
  )
  const again = await tank(['pull', 'disk', '-o', target], { env: { ...env, TANK_URL: proxy.url } })
  t.match(again, { code: 0, err: /of it were here already[\s\S]*verified with sha256/ })
  t.ok(proxy.ranges.every((range) => !/^bytes=0-/.test(range ?? 'bytes=0-')))
  t.ok(
    proxy.bytes <= bytes.length - 16 * 1024 * 1024,
    `only ${proxy.bytes} bytes were fetched again`
  )
  t.ok(readFileSync(target).equals(bytes))
  t.same(readdirSync(dir), ['copy.raw'])
})

t.test('one bit that changes on the way is noticed, the file does not get its name', async (t) => {
  const proxy = await startProxy(t, () => flipAt(7_654_321))
  const dir = folder(t)
  const target = join(dir, 'copy.raw')
  const there = { env: { ...env, TANK_URL: proxy.url } }
  const pulled = await tank(['pull', 'disk', '-o', target], there)
  t.match(pulled, { code: 1, out: '', err: /^tank: .*(digest|sha256)/m })
  t.notOk(existsSync(target))
  const piped = await tank(['pull', 'disk', '-o', '-'], there)
  t.match(piped, { code: 1, err: /^tank: .*(digest|sha256)/m }, 'a pipe is told by the exit code')
  t.match(await tank(['pull', 'disk', '-o', target], { env }), { code: 0 }, 'and again without')
  t.ok(readFileSync(target).equals(bytes))
  t.same(readdirSync(dir), ['copy.raw'])
})

t.test('tank pull IMAGE -o - | sha256sum', async (t) => {
  const shell = spawn(
    'sh',
    ['-c', '"$0" "$1" pull disk -o - -q | sha256sum', process.execPath, bin('tank')],
    {
      env: { ...env, PATH: process.env.PATH },
      stdio: ['ignore', 'pipe', 'inherit']
    }
  )
  let out = ''
  shell.stdout?.on('data', (chunk) => {
    out += chunk
  })
  t.match(await once(shell, 'close'), [0])
  t.equal(out, `${createHash('sha256').update(bytes).digest('hex')}  -\n`)
})

t.test(
  'a limit on the size of files is named, and nothing is left but what can go on',
  async (t) => {
    const dir = folder(t)
    const limited = spawn(
      'sh',
      [
        '-c',
        'ulimit -f 2000; exec "$0" "$1" pull disk -q -o "$2"',
        process.execPath,
        bin('tank'),
        join(dir, 'x')
      ],
      { env: { ...env, PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] }
    )
    let err = ''
    limited.stderr?.on('data', (chunk) => {
      err += chunk
    })
    t.match(await once(limited, 'close'), [1])
    t.match(err, /^tank: .* may not be larger here.*ulimit -f/m)
    t.notOk(existsSync(join(dir, 'x')))
  }
)

t.test('Ctrl-C in a push of a file takes back the image and its bytes', async (t) => {
  const images = join(service.dataDir, 'images')
  const files = () =>
    readdirSync(images, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
  const before = files().sort()
  const program = start(['push', '-', '--name', 'stopped', '--disk-format', 'raw', '-q'])
  program.stdin?.on('error', () => {})
  program.stdin?.write(randomBytes(3_000_000))
  const deadline = Date.now() + 60_000
  while (files().length === before.length && Date.now() < deadline) await sleep(20)
  t.ok(files().length > before.length, 'bytes are there')
  program.kill('SIGINT')
  t.match(await once(program, 'close'), [130])
  t.notMatch((await tank(['image', 'list'], { env })).out, /stopped/)
  while (files().length > before.length && Date.now() < deadline) await sleep(50)
  t.same(files().sort(), before)
})
