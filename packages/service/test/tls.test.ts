import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import {
  type BodyRate,
  bodyRateGuard,
  checkTls,
  createLogger,
  createServer,
  openServerTls,
  problems,
  readerStallGuard,
  runServer,
  type ServerOptions,
  sendContinue,
  type TlsConfig
} from '../src/index.ts'
import {
  authority,
  clientCertificate,
  clientKey,
  firstCertificate,
  firstKey,
  secondCertificate,
  secondKey
} from './certificates.ts'
import { collect } from './collect.ts'
import { parseAnswer } from './raw-http.ts'

const HOST = 'Host: tank.test\r\n'
const silent = createLogger({ level: 'silent' })

async function until(what: string, ask: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (await ask()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`waited in vain: ${what}`)
}

interface Files extends TlsConfig {
  readonly folder: string
}

/** A folder as Kubernetes makes it: the files are links through a link that is swapped. */
async function pairFolder(t: Test, more: Partial<TlsConfig> = {}): Promise<Files> {
  const folder = await mkdtemp(join(tmpdir(), 'tank-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'ca.crt'), authority)
  await swap(folder, firstCertificate, firstKey)
  await symlink('now/tls.crt', join(folder, 'tls.crt'))
  await symlink('now/tls.key', join(folder, 'tls.key'))
  return {
    folder,
    certificateFile: join(folder, 'tls.crt'),
    keyFile: join(folder, 'tls.key'),
    minimumVersion: 'TLSv1.2',
    ...more
  }
}

let swaps = 0
async function swap(folder: string, certificate: string, key: string): Promise<void> {
  const name = `pair-${++swaps}`
  await mkdir(join(folder, name))
  await writeFile(join(folder, name, 'tls.crt'), certificate)
  await writeFile(join(folder, name, 'tls.key'), key)
  await symlink(name, join(folder, 'next'))
  await rename(join(folder, 'next'), join(folder, 'now'))
}

const RATE = { bytesPerSecond: 1000, windowSeconds: 1, graceSeconds: 0 }

async function readBody(request: FastifyRequest, rate: Partial<BodyRate>) {
  const { signal } = bodyRateGuard(request, rate)
  sendContinue(request)
  let bytes = 0
  await new Promise<void>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
    request.raw.on('data', (chunk) => {
      bytes += chunk.length
    })
    request.raw.on('end', resolve)
  })
  return { bytes, isCounted: request.raw.socket.bytesRead >= bytes }
}

async function open(
  t: Test,
  files: TlsConfig,
  options: ServerOptions & { log?: typeof silent } = {}
) {
  const { log = silent, ...more } = options
  const tls = openServerTls(files, { log, intervalMs: 20 })
  const app = createServer({ ...more, tls })
  let stall = () => {}
  const stalled = new Promise<void>((resolve) => {
    stall = resolve
  })
  await app.register(problems)
  app.get('/', async (request) => ({ protocol: request.protocol }))
  app.get('/endless', async (_request, reply) => {
    readerStallGuard(reply, 0.3).signal.addEventListener('abort', stall)
    return reply.send(Buffer.alloc(64 * 1024 * 1024))
  })
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', async () => undefined)
    scope.put('/refused', { config: { lateContinue: true } }, async (_request, reply) =>
      reply.code(409).send({ refused: true })
    )
    const late = { config: { lateContinue: true } }
    scope.put('/read', late, (request) => readBody(request, {}))
    scope.put('/strict', late, (request) => readBody(request, RATE))
  })
  const server = await runServer(app, { listen: { port: 0 }, drainMs: 5000, log: silent })
  t.teardown(() => server.cut())
  return { server, stalled, port: (app.server.address() as AddressInfo).port }
}

async function openTls(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'tank.test',
    ca: authority,
    ...options
  })
  await once(socket, 'secureConnect')
  return socket
}

/** Sends bytes and reads until the server closes the connection. */
async function exchange(port: number, bytes: string, options: ConnectionOptions = {}) {
  const socket = await openTls(port, options)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  const closed = once(socket, 'close')
  socket.write(bytes)
  await closed
  return parseAnswer(text)
}

const GET = `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`

t.test(
  'V1-48 clients that know the authority connect, others only when they do not care',
  async (t) => {
    const { server, port } = await open(t, await pairFolder(t))
    t.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/)
    t.match(await exchange(port, GET), { status: 200, body: '{"protocol":"https"}' })
    const without = openTls(port, { ca: undefined })
    await t.rejects(without, { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
    await t.rejects(openTls(port, { servername: 'other.test' }), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID'
    })
    const insecure = await exchange(port, GET, { ca: undefined, rejectUnauthorized: false })
    t.equal(insecure.status, 200)
  }
)

t.test('old versions of TLS are refused', async (t) => {
  const old: ConnectionOptions = {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0'
  }
  const { port } = await open(t, await pairFolder(t))
  await t.rejects(openTls(port, old), { code: /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/ })
  t.equal((await exchange(port, GET, { maxVersion: 'TLSv1.2' })).status, 200)
  const newer = await open(t, await pairFolder(t, { minimumVersion: 'TLSv1.3' }))
  await t.rejects(openTls(newer.port, { maxVersion: 'TLSv1.2' }), { code: /PROTOCOL_VERSION/ })
  t.equal((await exchange(newer.port, GET)).status, 200)
})

t.test('with clientCaFile only known clients are served', async (t) => {
  const files = await pairFolder(t)
  const { port } = await open(t, { ...files, clientCaFile: join(files.folder, 'ca.crt') })
  t.equal((await exchange(port, GET, { cert: clientCertificate, key: clientKey })).status, 200)
  const stranger = exchange(port, GET).then(
    ({ text }) => text,
    () => ''
  )
  t.equal(await stranger, '', 'no answer without a certificate')
})

t.test('S-37 S-38 HTP4 what the parser refuses is answered over TLS, too', async (t) => {
  const { port } = await open(t, await pairFolder(t), { headersTimeoutMs: 100 })
  const bare = await exchange(port, `GET / HTTP/1.1\n${HOST}\r\n`)
  t.match(bare, { status: 400, headers: { connection: 'close' }, body: /malformed/ })
  t.equal((await exchange(port, `BREW / HTTP/1.1\r\n${HOST}\r\n`)).status, 405)
  t.equal(
    (await exchange(port, `GET / HTTP/1.1\r\n${HOST}x: ${'a'.repeat(20_000)}\r\n\r\n`)).status,
    431
  )
  t.equal((await exchange(port, 'GET / HTTP/1.1\r\nHost: ta')).status, 408, 'S-34 slow headers')
  const plain = connectPlain(port, '127.0.0.1')
  plain.on('error', () => {})
  plain.write(GET)
  await once(plain.resume(), 'close')
  t.equal((await exchange(port, GET)).status, 200, 'it goes on after a client without TLS')
})

t.test('HTP8 N8 Expect: 100-continue, and answers in mid-body', async (t) => {
  const { port } = await open(t, await pairFolder(t))
  const head = (path: string, size: number) =>
    `PUT ${path} HTTP/1.1\r\n${HOST}Connection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n`
  const socket = await openTls(port)
  socket.write(`${head('/read', 3)}Expect: 100-continue\r\n\r\n`)
  const [go] = await once(socket, 'data')
  t.equal(String(go), 'HTTP/1.1 100 Continue\r\n\r\n')
  socket.write('abc')
  const [answer] = await once(socket, 'data')
  t.match(parseAnswer(String(answer)), { status: 200, body: /"bytes":3/ })
  const late = await exchange(port, `${head('/refused', 3)}Expect: 100-continue\r\n\r\n`)
  t.match(late, { status: 409, count: 1 }, 'no 100 before 409')
  const size = 8 * 1024 * 1024
  const refused = await exchange(port, `${head('/refused', size)}\r\n${'x'.repeat(size)}`)
  t.equal(refused.status, 409, 'the answer is read although the body was not')
})

t.test('S-34 S-35 clients that drip or stop reading are cut', async (t) => {
  const { port, stalled } = await open(t, await pairFolder(t))
  const put = (path: string, size: number) =>
    `PUT ${path} HTTP/1.1\r\n${HOST}Connection: close\r\nContent-Length: ${size}\r\n\r\n`
  t.equal((await exchange(port, `${put('/strict', 100_000)}x`)).status, 408)
  const whole = await exchange(port, put('/read', 100_000) + 'x'.repeat(100_000))
  t.match(whole.body, /{"bytes":100000,"isCounted":true}/, 'what the guard looks at moves')
  const stuck = await openTls(port)
  stuck.on('error', () => {})
  stuck.pause()
  stuck.write(`GET /endless HTTP/1.1\r\n${HOST}\r\n`)
  await stalled
  stuck.destroy()
})

t.test('a new pair is used for new connections, and cuts none', async (t) => {
  const files = await pairFolder(t)
  const { lines, stream } = collect()
  const log = createLogger({}, stream)
  const text = () => lines.join('')
  const { port } = await open(t, files, { log })
  const serial = async () => {
    const socket = await openTls(port)
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const old = await openTls(port)
  t.equal(await serial(), '01')
  await swap(files.folder, secondCertificate, secondKey)
  await until('the second certificate is used', async () => (await serial()) === '02')
  old.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
  const [answer] = await once(old, 'data')
  t.equal(parseAnswer(String(answer)).status, 200, 'the connection of before still works')
  old.destroy()

  await swap(files.folder, firstCertificate, secondKey)
  await until('the fault is told', () => /does not belong to the certificate/.test(text()))
  t.equal(await serial(), '02', 'a wrong pair is not used')
  await rm(files.keyFile)
  await until('the missing file is told', () => /cannot be read: ENOENT/.test(text()))
  t.equal(await serial(), '02')
  t.equal(text().split('the new certificate cannot be used').length - 1, 2, 'each fault once')
  await symlink('now/tls.key', files.keyFile)
  await swap(files.folder, firstCertificate, firstKey)
  await until('the first certificate is back', async () => (await serial()) === '01')
  t.notMatch(text(), /PRIVATE|BEGIN/, 'S-02 no keys in the log')
})

t.test('files that cannot be used are told at the start', async (t) => {
  const files = await pairFolder(t)
  const write = async (name: string, content: string) => {
    const path = join(files.folder, name)
    await writeFile(path, content)
    return path
  }
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: {
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'canary'
    }
  })
  const absent = join(files.folder, 'absent')
  const faults: readonly [Partial<TlsConfig>, RegExp][] = [
    [{ certificateFile: absent }, /\/tls\/certificateFile: '.*absent' cannot be read: ENOENT/],
    [{ certificateFile: files.keyFile }, /\/tls\/certificateFile: '.*' has no certificate in PEM/],
    [{ keyFile: await write('other', secondKey) }, /\/tls\/keyFile: '.*other' does not belong/],
    [{ keyFile: files.certificateFile }, /\/tls\/keyFile: '.*' has no private key in PEM/],
    [{ keyFile: await write('locked', privateKey) }, /without a passphrase/],
    [{ clientCaFile: await write('empty', '') }, /\/tls\/clientCaFile: '.*' has no certificate/]
  ]
  for (const [change, message] of faults) {
    const config = { ...files, ...change }
    const open = () => openServerTls(config, { log: silent }).close()
    t.throws(open, { name: 'ConfigError', message })
    const told: string[] = []
    checkTls(config, (pointer, why) => told.push(`${pointer}: ${why}`))
    t.match(told.join(), message)
    t.notMatch(told.join(), /PRIVATE|BEGIN/)
  }
  checkTls(files, (pointer) => t.fail(pointer))
})

t.test('connections without a request or a handshake do not hold up the end', async (t) => {
  const { server, port } = await open(t, await pairFolder(t), { headersTimeoutMs: 600_000 })
  const mute = connectPlain(port, '127.0.0.1')
  await once(mute, 'connect')
  const silentOne = await openTls(port)
  const busy = await openTls(port)
  busy.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
  await once(busy, 'data')
  const closed = [mute, silentOne, busy].map((socket) => once(socket.resume(), 'close'))
  await server.stop()
  await Promise.all(closed)
})
