import { randomBytes } from 'node:crypto'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { canUse } from '../src/embedded-postgres/account.ts'
import { isAlive, waitForEnd } from '../src/embedded-postgres/processes.ts'
import { openEmbeddedPostgres } from '../src/index.ts'
import {
  bin,
  createImage,
  data,
  download,
  endless,
  folder,
  run,
  serve,
  sleep,
  statusOf,
  stop,
  upload
} from './programs.ts'

t.setTimeout(300_000)

function workersOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
    .filter((each) => readFileSync(`/proc/${each}/cmdline`, 'utf8').includes('worker.js'))
}

t.test('V1-50: a worker that dies is replaced; the main process takes all with it', async (t) => {
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

const isRoot = process.getuid?.() === 0
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
