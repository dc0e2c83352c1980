import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { migrate, migrationStatus } from '@tank/registry'
import t from 'tap'
import { openDataDir } from '../src/data-dir.ts'
import { serverAccount } from '../src/embedded-postgres/account.ts'
import { findBinaries, usableBinaries } from '../src/embedded-postgres/binaries.ts'
import { isAlive, startOf, waitForEnd } from '../src/embedded-postgres/processes.ts'
import { openEmbeddedPostgres } from '../src/index.ts'
import { openRunDir, privateFolder } from '../src/run-dir.ts'

t.setTimeout(240_000)
const isRoot = process.getuid?.() === 0
const onlyRoot = { skip: isRoot ? false : 'n/a: about running as root' }
const quiet = () => {}
const log = { info: quiet, warn: quiet, error: quiet }
const holder = fileURLToPath(new URL('./hold-postgres.js', import.meta.url))

/** A short folder that other accounts can enter. */
function folder(test: { teardown(fn: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'tank-pg-'))
  chmodSync(path, 0o755)
  test.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const open = (dataDir: string) => openEmbeddedPostgres({ dataDir, log, durable: false })

function serverPid(data: string): number {
  return Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
}

/** Opens a database in another process, which is then ours to kill. */
async function openElsewhere(dataDir: string) {
  const child = spawn(process.execPath, [holder, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  const { data, pid } = JSON.parse(String(line)) as { data: string; pid: number }
  return { child, data, pid }
}

t.test('made at the first call, found again, reachable by its socket alone', async (t) => {
  const dataDir = join(folder(t), 'data')
  const first = await open(dataDir)
  t.match(first.url, /^postgres:\/\/tank@localhost\/tank\?host=%2F/)
  t.ok((await migrate(first.url)).length > 0)
  t.equal(lstatSync(first.runDir.postgres).mode & 0o777, 0o700)
  t.equal(lstatSync(first.runDir.own).mode & 0o777, 0o700)
  const pid = serverPid(first.data)
  const address = readFileSync(join(first.data, 'postmaster.pid'), 'utf8').split('\n')[5]
  t.equal(address, '', 'no address of a network')
  await first.stop()
  t.notOk(isAlive(pid))
  t.notOk(existsSync(first.runDir.own))
  const began = Date.now()
  const second = await open(dataDir)
  t.ok(Date.now() - began < 5000)
  t.equal(second.url, first.url, 'the place of the socket does not change')
  t.ok((await migrationStatus(second.url)).every((each) => each.appliedAt !== null))
  await second.stop()
})

t.test('a server whose parent was killed stops by itself, in order', async (t) => {
  const { child, data, pid } = await openElsewhere(folder(t))
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(await waitForEnd(pid, 20_000))
  t.notOk(existsSync(join(data, 'postmaster.pid')), 'no recovery will be needed')
})

t.test('a server that was left over is found and stopped', async (t) => {
  const dataDir = folder(t)
  const { child, pid } = await openElsewhere(dataDir)
  // the watcher dies, too, so that nobody stops the server
  const watcher = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  const children = readFileSync(`/proc/${watcher}/task/${watcher}/children`, 'utf8')
  child.kill('SIGSTOP')
  for (const each of children.trim().split(' ').map(Number)) {
    if (each !== pid) process.kill(each, 'SIGKILL')
  }
  process.kill(watcher, 'SIGKILL')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(isAlive(pid), 'it is left over')
  const warnings: unknown[] = []
  const again = await openEmbeddedPostgres({
    dataDir,
    durable: false,
    log: { ...log, warn: (line: unknown) => warnings.push(line) }
  })
  t.notOk(isAlive(pid))
  t.same(warnings, [{ pid }])
  t.ok((await migrate(again.url)).length > 0)
  await again.stop()
})

t.test('a pid file that only looks alive, and one of a copied folder, do not matter', async (t) => {
  const root = folder(t)
  const dataDir = join(root, 'data')
  const first = await open(dataDir)
  const copy = join(root, 'copy')
  cpSync(dataDir, copy, { recursive: true })
  if (isRoot) spawnSync('chown', ['-R', '--reference', first.data, join(copy, 'postgres')])
  chmodSync(join(copy, 'postgres'), 0o700)
  const second = await open(copy)
  t.ok(isAlive(serverPid(first.data)), 'the server of the original lives on')
  await second.stop()
  await first.stop()
  const lines = [process.pid, first.data, 1000, 5432, first.runDir.postgres, '', '', 'ready', '']
  writeFileSync(join(first.data, 'postmaster.pid'), lines.join('\n'))
  const third = await open(dataDir)
  t.not(serverPid(third.data), process.pid)
  await third.stop()
})

t.test('a server that dies is started again', async (t) => {
  const postgres = await open(folder(t))
  const pid = serverPid(postgres.data)
  process.kill(pid, 'SIGKILL')
  await waitForEnd(pid, 5000)
  const until = Date.now() + 20_000
  let applied: string[] | undefined
  while (applied === undefined && Date.now() < until) {
    applied = await migrate(postgres.url).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.ok(applied !== undefined && applied.length > 0)
  await postgres.stop()
})

t.test('an initialisation that was interrupted is done again', async (t) => {
  const dataDir = folder(t)
  mkdirSync(join(dataDir, 'postgres.new'))
  writeFileSync(join(dataDir, 'postgres.new', 'PG_VERSION'), '18\n')
  mkdirSync(join(dataDir, 'postgres'))
  const postgres = await open(dataDir)
  t.notOk(existsSync(join(dataDir, 'postgres.new')))
  t.ok((await migrate(postgres.url)).length > 0)
  await postgres.stop()
})

t.test('what is no database of ours is refused', async (t) => {
  const foreign = folder(t)
  mkdirSync(join(foreign, 'postgres'))
  writeFileSync(join(foreign, 'postgres', 'precious'), '')
  await t.rejects(open(foreign), /neither empty nor a PostgreSQL data directory/)
  t.ok(existsSync(join(foreign, 'postgres', 'precious')))
  const old = folder(t)
  mkdirSync(join(old, 'postgres'))
  writeFileSync(join(old, 'postgres', 'PG_VERSION'), '9\n')
  await t.rejects(open(old), /made by PostgreSQL 9.*TANK_DATABASE_URL/)
})

t.test('no binary for the platform: the error names the way out', async (t) => {
  t.throws(() => findBinaries('plan9', 'mips'), /@embedded-postgres\/plan9-mips.*TANK_DATABASE_URL/)
})

t.test('as root: an existing account, and places that it can enter', onlyRoot, async (t) => {
  const account = serverAccount(undefined)
  t.match(account?.name, /^(postgres|nobody)$/)
  const root = folder(t)
  const closed = join(root, 'closed')
  mkdirSync(closed, { mode: 0o700 })
  const away = await open(join(closed, 'data'))
  t.match(away.data, /^\/var\/lib\/tank\//)
  t.match(away.notes.join('\n'), /runs as (postgres|nobody)[\s\S]*lies in \/var\/lib\/tank\//)
  await migrate(away.url)
  await away.stop()
  const again = await open(join(closed, 'data'))
  t.equal(again.data, away.data, 'written down in the data directory')
  t.ok((await migrationStatus(again.url)).every((each) => each.appliedAt !== null))
  await again.stop()
  cpSync(join(closed, 'data'), join(closed, 'copy'), { recursive: true })
  await t.rejects(open(join(closed, 'copy')), /belongs to the data directory/)
  rmSync(join(closed, 'data'), { recursive: true })
  const fresh = await open(join(closed, 'data'))
  t.not(fresh.data, away.data, 'a new directory never gets an old database')
  t.ok((await migrationStatus(fresh.url)).every((each) => each.appliedAt === null))
  await fresh.stop()
  for (const { data } of [away, fresh]) rmSync(join(data, '..'), { recursive: true })
})

t.test('as root: binaries that the account cannot reach are copied', onlyRoot, async (t) => {
  const root = folder(t)
  const found = findBinaries()
  const closed = join(root, 'closed', 'native')
  mkdirSync(join(root, 'closed'), { mode: 0o700 })
  cpSync(found.folder, closed, { recursive: true, verbatimSymlinks: true })
  const account = serverAccount(undefined)
  const target = join(root, 'open')
  const copy = await usableBinaries(account, target, { folder: closed, version: found.version })
  t.match(copy, { isCopy: true, folder: join(target, `postgresql-${found.version}`) })
  const { mtimeMs } = lstatSync(copy.folder)
  await usableBinaries(account, target, { folder: closed, version: found.version })
  t.equal(lstatSync(copy.folder).mtimeMs, mtimeMs, 'copied once')
})

t.test('run directories: short, private, ours', async (t) => {
  const root = folder(t)
  const uid = process.getuid?.() ?? 0
  const dataDir = join(root, 'data')
  mkdirSync(dataDir)
  const one = await openRunDir({ dataDir, env: { TANK_RUN_DIR: root } })
  const two = await openRunDir({ dataDir, env: { TANK_RUN_DIR: root } })
  t.equal(one.own, two.own, 'always the same')
  t.equal(lstatSync(one.own).mode & 0o777, 0o700)
  chmodSync(one.own, 0o777)
  await openRunDir({ dataDir, env: { TANK_RUN_DIR: root } })
  t.equal(lstatSync(one.own).mode & 0o777, 0o700, 'closed again')
  const long = join(root, 'a'.repeat(80))
  mkdirSync(long)
  await t.rejects(
    openRunDir({ dataDir, env: { TANK_RUN_DIR: long } }),
    /more than 100 bytes.*TANK_RUN_DIR/
  )
  symlinkSync(dataDir, join(root, 'link'))
  await t.rejects(privateFolder(join(root, 'link'), uid), /is no folder/)
  if (isRoot) {
    mkdirSync(join(root, 'foreign'))
    chownSync(join(root, 'foreign'), 12_345, 12_345)
    await t.rejects(privateFolder(join(root, 'foreign'), uid), /belongs to another account/)
  }
})

t.test('a data directory has one user at a time', async (t) => {
  const path = folder(t)
  const lock = join(path, 'tank.lock')
  const first = await openDataDir(path)
  t.match(first.instance, /^[^/]+\/[0-9a-f]{12}$/)
  await t.rejects(openDataDir(path), /in use by another tank \(process \d+\).*--data-dir/)
  await first.release()
  t.notOk(existsSync(lock))
  const hold = (content: object) => writeFileSync(lock, JSON.stringify(content))
  hold({ pid: process.pid, start: 'of an earlier process with this pid', host: hostname() })
  const second = await openDataDir(path)
  t.equal(second.instance, first.instance, 'the instance stays')
  await second.release()
  hold({ pid: 1, start: startOf(1), host: hostname() })
  await t.rejects(openDataDir(path), /process 1/)
  hold({ pid: 1, start: 'x', host: 'another-machine' })
  await t.rejects(openDataDir(path, 0), /a process on another-machine/)
  utimesSync(lock, 0, 0)
  await (await openDataDir(path, 0)).release()
  writeFileSync(lock, 'torn')
  const both = await Promise.allSettled([openDataDir(path), openDataDir(path), openDataDir(path)])
  t.equal(both.filter((each) => each.status === 'fulfilled').length, 1, 'one of several wins')
})
