import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { canUse } from '../src/embedded-postgres/account.ts'
import { isAlive, waitForEnd } from '../src/embedded-postgres/processes.ts'
import { openEmbeddedPostgres } from '../src/index.ts'

t.setTimeout(300_000)
const isRoot = process.getuid?.() === 0
const bin = (name: string) => fileURLToPath(new URL(`../src/bin/${name}.js`, import.meta.url))
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function folder(test: { teardown(fn: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'tank-serve-'))
  chmodSync(path, 0o755)
  test.teardown(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

interface Program {
  readonly child: ChildProcess
  readonly url: string
  readonly exit: Promise<number | null>
  out(): string
  err(): string
}

interface ProgramOptions {
  readonly env?: Record<string, string>
  readonly uid?: number
}

const programs = new Set<ChildProcess>()
t.teardown(() => {
  for (const child of programs) child.kill('SIGKILL')
})

/** Runs a program until it says its URL, or ends. */
async function run(
  name: string,
  args: readonly string[],
  options: ProgramOptions = {}
): Promise<Program> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [bin(name), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH, HOME, ...options.env },
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid })
  })
  programs.add(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  let isOver = false
  void exit.then(() => {
    isOver = true
    programs.delete(child)
  })
  const saysUrl = () => /http:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0]
  while (saysUrl() === undefined && !isOver) await sleep(20)
  return { child, url: saysUrl() ?? '', exit, out: () => out, err: () => err }
}

const serve = (dataDir: string, ...args: string[]) =>
  run('tank', ['serve', '--port', '0', '--data-dir', dataDir, ...args])

async function stop({ child, exit }: Program): Promise<number | null> {
  child.kill('SIGTERM')
  return await exit
}

async function createImage(url: string): Promise<string> {
  const id = randomUUID()
  const answer = await fetch(`${url}/v2/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id, name: 'x', disk_format: 'raw', container_format: 'bare' })
  })
  if (answer.status !== 201) throw new Error(`create: ${answer.status} ${await answer.text()}`)
  return id
}

const upload = (url: string, id: string, body: Buffer | ReadableStream) =>
  fetch(`${url}/v2/images/${id}/file`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body,
    duplex: 'half'
  } as RequestInit)

async function download(url: string, id: string): Promise<Buffer> {
  const answer = await fetch(`${url}/v2/images/${id}/file`)
  return Buffer.from(await answer.arrayBuffer())
}

async function statusOf(url: string, id: string): Promise<unknown> {
  const answer = await fetch(`${url}/v2/images/${id}`)
  return ((await answer.json()) as { status?: unknown }).status
}

/** A body that never comes to its end while the test runs. */
function endless(test: { teardown(fn: () => void): void }): ReadableStream<Uint8Array> {
  let isOver = false
  test.teardown(() => {
    isOver = true
  })
  return new ReadableStream({
    pull: async (controller) => {
      // fetch reads on after its connection is gone
      if (isOver) controller.close()
      else controller.enqueue(randomBytes(65_536))
      await sleep(200)
    }
  })
}

function workersOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
    .filter((each) => readFileSync(`/proc/${each}/cmdline`, 'utf8').includes('worker.js'))
}

const data = randomBytes(300_000)

t.test('tank serve: the first minute, an orderly end, further starts', async (t) => {
  const dataDir = join(folder(t), 'data')
  const first = await serve(dataDir)
  const id = await createImage(first.url)
  t.equal((await upload(first.url, id, data)).status, 204)
  t.same(await download(first.url, id), data)
  t.equal((await fetch(`${first.url}/versions`)).status, 200)
  t.equal((await fetch(`${first.url}/readyz`)).status, 200)
  t.match(
    first.out(),
    /Tank serves images at http:[\s\S]*curl [\s\S]*curl [\s\S]*curl [\s\S]*Ctrl-C/
  )
  t.ok(first.out().includes(dataDir), 'it says where the data lies')
  const second = await serve(dataDir)
  t.equal(await second.exit, 1)
  t.match(second.err(), /in use by another tank \(process \d+\)/)
  t.notMatch(first.err() + first.out(), /Bearer|secret/i, 'S-02 no secrets')
  t.equal(await stop(first), 0)
  t.notOk(existsSync(join(dataDir, 'tank.lock')))
  const again = await serve(dataDir)
  t.same(await download(again.url, id), data)
  await stopInTransfer(t, again)
  await cutTransfer(t, await serve(dataDir))
})

async function stopInTransfer(t: Test, program: Program): Promise<void> {
  const id = await createImage(program.url)
  const slow = new ReadableStream({
    start: async (controller) => {
      controller.enqueue(data.subarray(0, 100_000))
      await sleep(1500)
      controller.enqueue(data.subarray(100_000))
      controller.close()
    }
  })
  const uploading = upload(program.url, id, slow)
  while ((await statusOf(program.url, id)) !== 'saving') await sleep(20)
  program.child.kill('SIGINT')
  t.equal((await uploading).status, 204, 'stopping lets a transfer finish')
  t.equal(await program.exit, 0)
}

async function cutTransfer(t: Test, other: Program): Promise<void> {
  const stuck = await createImage(other.url)
  const cut = upload(other.url, stuck, endless(t)).then(
    ({ status }) => status,
    () => 'cut'
  )
  while ((await statusOf(other.url, stuck)) !== 'saving') await sleep(20)
  other.child.kill('SIGINT')
  await sleep(500)
  t.equal(other.child.exitCode, null, 'it waits')
  other.child.kill('SIGINT')
  t.equal(await other.exit, 0)
  t.not(await cut, 204, 'a second signal cuts it')
}

t.test('a worker that dies is replaced; the main process takes all with it', async (t) => {
  const dataDir = join(folder(t), 'data')
  const program = await serve(dataDir, '--workers', '2')
  const pid = program.child.pid ?? 0
  const [victim = 0, other = 0] = workersOf(pid)
  t.ok(victim > 0 && other > 0, 'two workers')
  process.kill(victim, 'SIGKILL')
  const until = Date.now() + 30_000
  const answers: (number | string)[] = []
  while (!program.err().includes('another worker took its place') && Date.now() < until) {
    const signal = AbortSignal.timeout(10_000)
    answers.push(
      await fetch(`${program.url}/healthcheck`, { signal }).then(
        ({ status }) => status,
        (error) => error.name
      )
    )
    await sleep(100)
  }
  t.notOk(answers.includes('TimeoutError'), 'no client waits for a dead worker')
  t.ok(answers.length > 1 && answers.slice(1).every((each) => each === 200), 'no gap')
  const workers = workersOf(pid)
  t.equal(workers.length, 2)
  t.notOk(workers.includes(victim))

  const id = await createImage(program.url)
  const uploading = upload(program.url, id, endless(t)).catch(() => 'cut')
  while ((await statusOf(program.url, id)) !== 'saving') await sleep(20)
  const postgres = Number(
    readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0]
  )
  program.child.kill('SIGKILL')
  await program.exit
  for (const each of [...workers, postgres]) t.ok(await waitForEnd(each, 20_000), `${each} ended`)
  t.equal(await uploading, 'cut')
  const again = await serve(dataDir)
  t.equal(await statusOf(again.url, id), 'queued', 'its own operations fall back at once')
  t.equal((await upload(again.url, id, data)).status, 204)
  t.equal(await stop(again), 0)
})

t.test('faults at the start are told in a sentence, and leave nothing running', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const dataDir = join(folder(t), 'data')
  const args = ['serve', '--data-dir', dataDir]
  const program = await run('tank', [...args, '--port', String(port)])
  t.equal(await program.exit, 1)
  t.match(program.err(), /port \d+ is in use by another program. Choose another with --port/)
  taken.close()
  t.notOk(existsSync(join(dataDir, 'postgres')), 'told before anything is made')
  const config = join(folder(t), 'tank.yaml')
  writeFileSync(config, 'api: { stores: { main: { use: absent-store } } }')
  const absent = await run('tank', [...args, '--port', '0', '--config', config])
  t.equal(await absent.exit, 1)
  t.match(absent.err(), /absent-store was found neither/)
  t.notOk(existsSync(join(dataDir, 'postgres/postmaster.pid')))
  t.notOk(existsSync(join(dataDir, 'tank.lock')))
})

t.test('a signal during the start ends in order', async (t) => {
  const dataDir = join(folder(t), 'data')
  const starting = serve(dataDir)
  while (!existsSync(join(dataDir, 'postgres.new'))) await sleep(10)
  for (const child of programs) child.kill('SIGTERM')
  const program = await starting
  t.equal(await program.exit, 0)
  t.equal(program.url, '')
  t.notOk(existsSync(join(dataDir, 'tank.lock')))
})

const nobody = { name: 'nobody', uid: 65_534, gid: 65_534 }
const canBeOther = isRoot && canUse(nobody, dirname(bin('tank')), false)
const onlyOther = { skip: canBeOther ? false : 'n/a: we are one, or it cannot read our code' }

t.test('as an ordinary user', onlyOther, async (t) => {
  const home = folder(t)
  mkdirSync(join(home, 'data'))
  chownSync(join(home, 'data'), 65_534, 65_534)
  const dataDir = join(home, 'data')
  const args = ['serve', '--port', '0', '--data-dir', dataDir]
  const program = await run('tank', args, { uid: 65_534, env: { HOME: home } })
  const id = await createImage(program.url)
  t.equal((await upload(program.url, id, data)).status, 204)
  t.notMatch(program.out(), / note /)
  t.equal(await stop(program), 0)
})

t.test('tank registry and tank api apart, over a database that is named', async (t) => {
  const root = folder(t)
  const quiet = () => {}
  const postgres = await openEmbeddedPostgres({
    dataDir: join(root, 'db'),
    log: { info: quiet, warn: quiet, error: quiet },
    durable: false
  })
  t.teardown(() => postgres.stop())
  const secrets = { TANK_REGISTRY_SECRET: randomBytes(16).toString('hex') }
  const database = { TANK_DATABASE_URL: postgres.url }
  const pending = await run('tank', ['db', 'status'], { env: database })
  t.equal(await pending.exit, 0)
  t.match(pending.out(), /pending/)
  const migrated = await run('tank', ['db', 'migrate'], { env: database })
  t.equal(await migrated.exit, 0)
  t.match(migrated.out(), /^Applied /)
  const registry = await run('tank-registry', ['--port', '0'], { env: { ...database, ...secrets } })
  const config = join(root, 'tank.yaml')
  writeFileSync(
    config,
    `api: { stores: { main: { use: '@tank/store-fs', root: '\${ROOT}' } } }\nlog: { level: warn }\n`
  )
  const env = {
    ...secrets,
    ROOT: join(root, 'images'),
    TANK_CONFIG: config,
    TANK_REGISTRY_URL: registry.url
  }
  const alone = await run('tank-api', ['--port', '0'], { env })
  const several = await run('tank-api', ['--port', '0', '--workers', '2'], { env })
  const id = await createImage(alone.url)
  t.equal((await upload(alone.url, id, data)).status, 204)
  t.same(await download(several.url, id), data, 'replicas see the same')
  t.notMatch(alone.err(), /"msg":"request"/, 'the level of the file counts')
  for (const program of [alone, several, registry]) t.equal(await stop(program), 0)
  const without = await run('tank-api', ['--port', '0'])
  t.equal(await without.exit, 2)
  t.match(without.err(), /\/api\/registry\/urls: missing/)
  t.notOk(isAlive(alone.child.pid ?? 0))
})
