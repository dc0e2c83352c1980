import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile
} from 'node:fs/promises'
import t, { type Test } from 'tap'
import { lockState, readState, takeOver } from '../src/download/partial-state.ts'
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
  t.ok(seen.every(({ resumed }) => resumed === 40 * KIB))
  t.ok((await readFile(file)).equals(BYTES))
  t.same(await readdir(folder), ['disk.raw'])
})

/** A download by a process of its own, which the shell has set up. */
function spawnDownload(url: string, file: string, setUp = ':') {
  const script = `
    import { createTankClient } from '@tank/client'
    const client = createTankClient({ url: ${JSON.stringify(url)} })
    const options = { resume: true, partSize: ${10 * KIB} }
    await client.download('${ID}', ${JSON.stringify(file)}, options).catch(({ code }) => {
      process.exitCode = code === 'TARGET_FAILED' ? 3 : 4
    })
    await client.close()`
  const node = [process.execPath, '--input-type=module', '-e', script]
  return spawn('sh', ['-c', `${setUp}; exec "$@"`, 'sh', ...node], {
    cwd: import.meta.dirname,
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: 'inherit'
  })
}

t.test('a disk without room spoils nothing', async (t) => {
  const { server, client, folder, file } = await open(t)
  // files can be made, but not written to
  const fails = async () =>
    t.same(await once(spawnDownload(server.url, file, 'ulimit -f 0'), 'exit'), [3, null])
  await fails()
  t.same(await readdir(folder), [], 'nothing is left')
  server.answer = breakFrom(40 * KIB)
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  server.answer = undefined
  await fails()
  t.same((await readdir(folder)).sort(), ['disk.raw.part', 'disk.raw.part.json'])
  t.equal((await client.download(ID, file, parts)).resumed, 40 * KIB, 'what was there is used')
})

t.test('a state that was never written is the next one to be used', async (t) => {
  const { server, client, folder, file } = await open(t)
  server.answer = breakFrom(40 * KIB)
  await writeFile(`${file}.part.json`, '')
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  t.same(await readdir(folder), ['disk.raw.part.json'], 'but not while it may be about to be')
  const before = Date.now() / 1_000 - 3_600
  await utimes(`${file}.part.json`, before, before)
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  server.answer = undefined
  t.equal((await client.download(ID, file, parts)).resumed, 40 * KIB)
  t.same(await readdir(folder), ['disk.raw'])
})

t.test('goes on after the process was killed', async (t) => {
  const { server, client, folder, file } = await open(t)
  const child = spawnDownload(server.url, file)
  await new Promise<void>((resolve) => {
    server.answer = ({ from, send }) => (from < 50 * KIB ? send() : resolve())
  })
  t.notOk((await readdir(folder)).includes('disk.raw'))
  server.answer = undefined
  t.equal((await client.download(ID, file, parts)).resumed, 0, 'not before: it has the file')
  child.kill('SIGKILL')
  await once(child, 'exit')
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
  await Promise.all([rm(`${file}.part`, { force: true }), rm(`${file}.part.json`)])
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
  const { host, start } = state.owner
  const taken = { ...state, owner: { host, pid: other.pid } }
  await writeFile(`${file}.part.json`, JSON.stringify(taken))
  t.equal((await client.download(ID, file, parts)).resumed, 0, 'a living process has it')
  t.equal((await stat(`${file}.part`)).size, 40 * KIB)
  if (start !== undefined) {
    const left = { ...taken, owner: { ...taken.owner, start: `${start}0` } }
    await writeFile(`${file}.part.json`, JSON.stringify(left))
    server.answer = breakFrom(50 * KIB)
    await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
    server.answer = undefined
    t.equal((await stat(`${file}.part`)).size, 50 * KIB, 'or one that has the id since then')
    await writeFile(`${file}.part.json`, JSON.stringify(taken))
  }
  other.kill()
  await once(other, 'exit')
  t.equal((await client.download(ID, file, parts)).resumed, 40 * KIB, 'until it has ended')
})

t.test("somebody else's files beside the image are left alone", async (t) => {
  const { client, folder, file } = await open(t)
  for (const state of [undefined, '{', '{"mine":true}']) {
    await writeFile(`${file}.part`, 'mine')
    if (state !== undefined) await writeFile(`${file}.part.json`, state)
    await writeFile(`${file}.part.json.new`, 'mine')
    t.equal((await client.download(ID, file, parts)).resumed, 0)
    t.ok((await readFile(file)).equals(BYTES))
    t.equal(await readFile(`${file}.part`, 'utf8'), 'mine', `with ${state} beside it`)
    t.equal(await readFile(`${file}.part.json.new`, 'utf8'), 'mine')
    if (state !== undefined) t.equal(await readFile(`${file}.part.json`, 'utf8'), state)
    t.equal((await readdir(folder)).length, state === undefined ? 3 : 4, 'and nothing more')
  }
})

t.test('what a download of another host notes is left alone while it is fresh', async (t) => {
  const { server, client, file } = await open(t)
  server.answer = breakFrom(40 * KIB)
  await t.rejects(client.download(ID, file, parts), { code: 'CONNECTION_CLOSED' })
  server.answer = undefined
  const state = JSON.parse(await readFile(`${file}.part.json`, 'utf8'))
  const elsewhere = { ...state, owner: { ...state.owner, host: 'elsewhere.test' } }
  await writeFile(`${file}.part.json`, JSON.stringify(elsewhere))
  t.equal((await client.download(ID, file, parts)).resumed, 0)
  t.equal((await stat(`${file}.part`)).size, 40 * KIB)
  const before = Date.now() / 1_000 - 3_600
  await utimes(`${file}.part.json`, before, before)
  t.equal((await client.download(ID, file, parts)).resumed, 40 * KIB, 'it has ended long ago')
})

t.test('only one of two takes over what was left', async (t) => {
  const path = `${t.testdir()}/disk.raw.part.json`
  const identity = { size: 1, algorithm: 'sha256', digest: 'ab' }
  const state = { identity, owner: { host: 'a', pid: 1 }, done: [] }
  t.equal(await lockState(path, state), true)
  t.equal(await lockState(path, state), false, 'there is one')
  const [one, two] = [await readState(path), await readState(path)]
  if (one === undefined || two === undefined) throw new Error('no state')
  await rm(path)
  t.equal(await takeOver(path, two, state), false, 'it is gone')
  t.equal(await lockState(path, state), true)
  t.equal(await takeOver(path, one, { ...state, owner: { host: 'b', pid: 2 } }), true)
  t.equal(await takeOver(path, two, state), false, 'it is another one')
  t.match(await readState(path), { owner: { host: 'b', pid: 2 } }, 'which stays')
  t.same(await readdir(t.testdirName), ['disk.raw.part.json'])
})

t.test('S-25 what is put in the place of the new file never gets its name', async (t) => {
  const { server, client, folder, file } = await open(t)
  await writeFile(`${folder}/other`, Buffer.alloc(BYTES.length))
  server.answer = async ({ to, send }) => {
    if (to === BYTES.length) await rename(`${folder}/other`, `${file}.part`)
    send()
  }
  await t.rejects(client.download(ID, file, parts), {
    code: 'TARGET_FAILED',
    cause: { message: /replaced/ }
  })
  t.notOk((await readdir(folder)).includes('disk.raw'))
  t.ok((await readFile(`${file}.part`)).equals(Buffer.alloc(BYTES.length)), 'and is not removed')
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

t.test('parts do not wait for sockets until that counts as silence', async (t) => {
  const { server, client, file } = await open(t, BYTES, { connections: 1, idleTimeoutMs: 1_000 })
  server.answer = ({ from, to, response }) => {
    const range = `bytes ${from}-${to - 1}/${BYTES.length}`
    response.writeHead(206, { 'content-range': range, 'content-length': to - from })
    const drip = (at: number) => {
      if (at >= to) return response.end()
      const next = Math.min(at + 9 * KIB, to)
      response.write(BYTES.subarray(at, next))
      return setTimeout(drip, 300, next)
    }
    drip(from)
  }
  await client.download(ID, file, { parallel: 4, partSize: 51 * KIB })
  t.ok((await readFile(file)).equals(BYTES))
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
  for (const parallel of [0, 65, 1.5, Number.NaN]) {
    const refused = { code: 'INVALID_REQUEST', message: /parallel must be .* 1 to 64/ }
    await t.rejects(client.download(ID, file, { parallel }), refused)
  }
  for (const partSize of [0, -1, 0.5, Number.POSITIVE_INFINITY]) {
    const refused = { code: 'INVALID_REQUEST', message: /partSize must be/ }
    await t.rejects(client.download(ID, file, { parallel: 2, partSize }), refused)
  }
  await t.rejects(client.download(ID, `${folder}/no/image`, parts), { code: 'TARGET_FAILED' })
  server.answer = undefined
  server.bytes = Buffer.alloc(0)
  t.equal((await client.download(ID, file, parts)).size, 0)
  t.equal((await stat(file)).size, 0)
})
