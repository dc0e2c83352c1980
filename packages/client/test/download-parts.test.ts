import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { createTankClient, type TransferProgress } from '../src/index.ts'
import { reset } from './fake-server.ts'
import { type Asked, ID, serveRanges } from './range-server.ts'

const KIB = 1024
const BYTES = randomBytes(100 * KIB + 7)
const quick = { retryDelayMs: 5, idleTimeoutMs: 5_000, retries: 0 }
const parts = { resume: true, partSize: 10 * KIB }

async function open(t: Test, bytes = BYTES, more: object = {}) {
  const server = await serveRanges(t, bytes)
  const client = createTankClient({ url: server.url, ...quick, ...more })
  t.teardown(() => client.close())
  const folder = t.testdir()
  return { server, client, folder, file: `${folder}/disk.raw` }
}

/** Breaks the connection of every part from the given byte on. */
function breakFrom(byte: number) {
  return ({ from, response, send }: Asked) => (from < byte ? send() : reset(response))
}

t.test('fetches several parts at the same time', async (t) => {
  const { server, client, folder, file } = await open(t)
  const waiting: Asked[] = []
  server.answer = (asked) => {
    waiting.push(asked)
    if (waiting.length === 4) for (const one of waiting.splice(0)) one.send()
    else if (server.asked.length > 8) waiting.pop()?.send()
  }
  const seen: TransferProgress[] = []
  const result = await client.download(ID, file, {
    parallel: 4,
    partSize: 10 * KIB,
    onProgress: (progress) => seen.push(progress)
  })
  t.same(result, { size: BYTES.length, verifiedWith: 'sha256', resumed: 0 })
  t.ok((await readFile(file)).equals(BYTES))
  t.equal(server.asked.length, 11)
  t.same(seen.at(-1), { bytes: BYTES.length, total: BYTES.length })
  t.same(await readdir(folder), ['disk.raw'])
})

t.test('goes on where an earlier download broke', async (t) => {
  const { server, client, folder, file } = await open(t)
  server.answer = breakFrom(40 * KIB)
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  t.same((await readdir(folder)).sort(), ['disk.raw.part', 'disk.raw.part.json'])
  server.answer = undefined
  server.asked.length = 0
  const seen: TransferProgress[] = []
  const onProgress = (progress: TransferProgress) => void seen.push(progress)
  const result = await client.download(ID, file, { ...parts, parallel: 2, onProgress })
  t.equal(result.resumed, 40 * KIB)
  t.equal(server.asked[0], `${40 * KIB}-${50 * KIB}`)
  t.equal(server.asked.length, 7)
  t.ok(Number(seen[0]?.bytes) > 40 * KIB, 'what was there counts')
  t.ok((await readFile(file)).equals(BYTES))
  t.same(await readdir(folder), ['disk.raw'])
})

t.test('goes on after the process was killed', async (t) => {
  const { server, client, folder, file } = await open(t)
  const script = `
    import { createTankClient } from '@tank/client'
    const client = createTankClient({ url: ${JSON.stringify(server.url)} })
    await client.download('${ID}', ${JSON.stringify(file)}, { resume: true, partSize: ${10 * KIB} })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: 'inherit'
  })
  server.answer = ({ from, send }) => {
    if (from < 50 * KIB) send()
    else child.kill('SIGKILL')
  }
  await once(child, 'exit')
  t.notOk((await readdir(folder)).includes('disk.raw'))
  server.answer = undefined
  t.equal((await client.download(ID, file, parts)).resumed, 50 * KIB)
  t.ok((await readFile(file)).equals(BYTES))
  t.same(await readdir(folder), ['disk.raw'])
})

t.test('a flipped byte is seen, and never resumed from', async (t) => {
  const { server, client, folder, file } = await open(t)
  const wrong = Buffer.from(BYTES)
  wrong[55_555] = ~Number(wrong[55_555])
  server.answer = ({ send }) => send(wrong)
  await t.rejects(client.download(ID, file, parts), { code: 'DIGEST_MISMATCH' })
  t.same(await readdir(folder), [], 'neither under its name nor beside it')
  server.answer = ({ from, response, send }) => (from < 60 * KIB ? send(wrong) : reset(response))
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  server.answer = undefined
  await t.rejects(client.download(ID, file, parts), { code: 'DIGEST_MISMATCH' }, 'in what was left')
  t.same(await readdir(folder), [])
  t.equal((await client.download(ID, file, parts)).resumed, 0)
  t.ok((await readFile(file)).equals(BYTES))
})

t.test('another image is fetched anew', async (t) => {
  const { server, client, file } = await open(t)
  server.answer = breakFrom(40 * KIB)
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  server.answer = undefined
  server.bytes = randomBytes(BYTES.length)
  t.equal((await client.download(ID, file, parts)).resumed, 0)
  t.ok((await readFile(file)).equals(server.bytes))
})

t.test('what is left is not trusted when it is not what it says', async (t) => {
  const { server, client, folder, file } = await open(t)
  const broken = async () => {
    server.answer = breakFrom(40 * KIB)
    await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
    server.answer = undefined
  }
  await broken()
  await truncate(`${file}.part`, 100)
  t.equal((await client.download(ID, file, parts)).resumed, 0, 'a file that was cut')
  await broken()
  const state = JSON.parse(await readFile(`${file}.part.json`, 'utf8'))
  const odd = [
    { from: 5, to: 1 },
    { from: 0, to: BYTES.length + 1 },
    { from: -1, to: 5 },
    { from: 0.5, to: 5 },
    null
  ]
  for (const span of odd) {
    await writeFile(`${file}.part`, Buffer.alloc(BYTES.length + 1))
    await writeFile(`${file}.part.json`, JSON.stringify({ ...state, done: [span] }))
    t.equal((await client.download(ID, file, parts)).resumed, 0, JSON.stringify(span))
  }
  await writeFile(`${file}.part.json`, '{')
  t.equal((await client.download(ID, file, parts)).resumed, 0, 'no JSON')
  await broken()
  const elsewhere = `${folder}/elsewhere`
  await writeFile(elsewhere, Buffer.alloc(BYTES.length))
  await writeFile(`${file}.part.json`, JSON.stringify(state))
  await rm(`${file}.part`)
  await symlink(elsewhere, `${file}.part`)
  t.equal((await client.download(ID, file, parts)).resumed, 0, 'a link')
  t.ok((await readFile(elsewhere)).equals(Buffer.alloc(BYTES.length)), 'is not followed')
  t.ok((await readFile(file)).equals(BYTES))
})

t.test('two downloads to one path do not touch each other', async (t) => {
  const { server, client, folder, file } = await open(t)
  const first: Asked[] = []
  const reached = new Promise<void>((resolve) => {
    server.answer = (asked) => {
      first.push(asked)
      resolve()
    }
  })
  const slow = client.download(ID, file, parts)
  await reached
  server.answer = undefined
  t.equal((await client.download(ID, file, parts)).resumed, 0)
  for (const asked of first) asked.send()
  await slow
  t.ok((await readFile(file)).equals(BYTES))
  t.same(await readdir(folder), ['disk.raw'])

  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  t.teardown(() => other.kill())
  server.answer = breakFrom(40 * KIB)
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  server.answer = undefined
  const state = JSON.parse(await readFile(`${file}.part.json`, 'utf8'))
  const taken = { ...state, owner: { ...state.owner, pid: other.pid } }
  await writeFile(`${file}.part.json`, JSON.stringify(taken))
  t.equal((await client.download(ID, file, parts)).resumed, 0, 'a living process has it')
  t.equal((await stat(`${file}.part`)).size, 40 * KIB)
  other.kill()
  await once(other, 'exit')
  t.equal((await client.download(ID, file, parts)).resumed, 40 * KIB, 'until it has ended')
})

t.test('a part that breaks is taken up in its middle', async (t) => {
  const { server, client, file } = await open(t, BYTES, { retries: 3 })
  const broken = new Set<number>()
  server.answer = ({ from, to, response, send }) => {
    if (from === 0 || broken.has(Math.floor(from / (10 * KIB)))) return send()
    broken.add(from / (10 * KIB))
    const range = `bytes ${from}-${to - 1}/${BYTES.length}`
    response.writeHead(206, { 'content-range': range, 'content-length': to - from })
    response.write(BYTES.subarray(from, from + 5), () => setTimeout(() => reset(response), 20))
  }
  const seen: number[] = []
  const onProgress = ({ bytes }: TransferProgress) => void seen.push(bytes)
  await client.download(ID, file, { parallel: 3, partSize: 10 * KIB, onProgress })
  t.ok((await readFile(file)).equals(BYTES))
  t.ok(server.asked.includes(`${10 * KIB + 5}-${20 * KIB}`))
  t.equal(seen.at(-1), BYTES.length, 'nothing is counted twice')
})

t.test('an abort keeps what has come, or leaves nothing', async (t) => {
  const { server, client, folder, file } = await open(t)
  const reason = new Error('enough')
  for (const resume of [false, true]) {
    const controller = new AbortController()
    server.answer = ({ from, send }) => {
      if (from < 30 * KIB) send()
      else controller.abort(reason)
    }
    const { signal } = controller
    const options = { resume, parallel: 2, partSize: 10 * KIB, signal }
    await t.rejects(client.download(ID, file, options), reason)
    t.equal((await readdir(folder)).length, resume ? 2 : 0)
  }
  await t.rejects(
    client.download(ID, file, { ...parts, signal: AbortSignal.abort(reason) }),
    reason
  )
  server.answer = undefined
  t.equal((await client.download(ID, file, parts)).resumed, 30 * KIB)
})

t.test('servers without ranges, and other answers', async (t) => {
  const { server, client, folder, file } = await open(t)
  server.answer = ({ response }) => response.writeHead(200).end(BYTES)
  t.same(await client.download(ID, file, parts), {
    size: BYTES.length,
    verifiedWith: 'sha256',
    resumed: 0
  })
  t.ok((await readFile(file)).equals(BYTES))
  server.answer = ({ from, to, response }) => {
    const headers = { 'content-range': `bytes ${from}-${to - 1}/5`, 'content-length': to - from }
    response.writeHead(206, headers).end(BYTES.subarray(from, to))
  }
  await t.rejects(client.download(ID, file, parts), { code: 'SIZE_MISMATCH' })
  server.answer = ({ response }) => {
    response.writeHead(206, { 'content-range': 'bytes 1-5/9' }).end('12345')
  }
  await t.rejects(client.download(ID, file, { ...parts, parallel: 2 }), { code: 'BAD_ANSWER' })
  await t.rejects(client.download(ID, file, { parallel: 0 }), { code: 'INVALID_REQUEST' })
  await t.rejects(client.download(ID, `${folder}/no/image`, parts), { code: 'TARGET_FAILED' })
  server.answer = undefined
  server.bytes = Buffer.alloc(0)
  t.equal((await client.download(ID, file, parts)).size, 0)
  t.equal((await stat(file)).size, 0)
})
