import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { openFsStore } from '@tank/store-fs'
import t, { type Test } from 'tap'
import { main } from '../src/main.ts'

t.setTimeout(120_000)

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'tank-store-'))
  chmodSync(path, 0o755)
  t.teardown(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

/** Runs `tank` in this process. */
async function run(args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const code = await main(args, {
    env: { TANK_LOG_LEVEL: 'silent' },
    print: (text) => {
      out += text
    },
    printError: (text) => {
      err += text
    }
  })
  return { code, out, err }
}

const tank = (...args: string[]) => run(['store', ...args])

function config(path: string, stores: object): string {
  const file = join(path, 'tank.yaml')
  writeFileSync(file, JSON.stringify({ api: { stores } }))
  return file
}

async function fill(root: string, keys: readonly string[]): Promise<void> {
  const store = await openFsStore({ root })
  for (const key of keys) await store.put(key, Readable.from([Buffer.from(key)]))
}

t.test('store list and check: what is there, and whether it works', async (t) => {
  const path = folder(t)
  const root = join(path, 'images')
  await fill(root, ['aa-1', 'bb-22'])
  writeFileSync(join(root, 'aa', 'aa-3.partial'), 'abc')
  const use = '@tank/store-fs'
  const file = config(path, {
    main: { use, root, description: 'the first' },
    away: { use, root: join(path, 'missing', 'images') },
    wrong: { use, rot: root }
  })
  const listed = await tank('list', '--config', file)
  t.equal(listed.code, 1, 'not every store could be listed')
  t.match(listed.out, /^NAME +TYPE +IMAGES +BYTES +LEFTOVERS +DESCRIPTION$/m)
  t.match(listed.out, /^main +fs +2 +9 B +3 B +the first$/m)
  t.match(listed.out, /^away: failed: the root .* is missing/m)
  t.match(listed.out, /^wrong: failed: .*\/root: missing; \/rot: unknown option/m)
  const checked = await tank('check', '--config', file)
  t.equal(checked.code, 1)
  t.match(checked.out, /^main: well: written, read and deleted a probe \(fs, \d+ ms\)$/m)
  t.match(checked.out, /^away: failed: /m)
  t.equal((await tank('check', 'main', '--config', file)).code, 0)
  t.match((await tank('list', 'main', '--config', file)).out, /^main +fs +2 /m, 'no probe is left')
  const unknown = await tank('list', 'other', '--config', file)
  t.equal(unknown.code, 2)
  t.match(unknown.err, /There is no store "other". The configuration has: main, away, wrong/)
  t.equal((await tank('clean')).code, 2)
})

t.test('store gc: deletes what no record names, and asks when it knows nothing', async (t) => {
  const path = folder(t)
  const root = join(path, 'data', 'images')
  mkdirSync(join(path, 'data'))
  // as a Tank was here whose database is new
  writeFileSync(join(path, 'data', 'instance'), 'host/1\n')
  await fill(root, ['aa-1', 'bb-2'])
  const at = (key: string) => join(root, key.slice(0, 2), key)
  const gc = (...args: string[]) => tank('gc', '--data-dir', join(path, 'data'), ...args)
  const young = await run(['gc', 'main', '--dry-run', '--data-dir', join(path, 'data')])
  t.equal(young.code, 0, young.err)
  t.match(young.out, 'main: 0 orphans, 0 B, nothing was deleted')
  const dry = await gc('--dry-run', '--older-than', '0')
  t.match(dry.out, /^main: orphan aa-1 4 B$/m)
  t.match(dry.out, 'main: 2 orphans, 8 B, nothing was deleted')
  const strange = await gc('--older-than', '0')
  t.equal(strange.code, 1)
  t.match(
    strange.out,
    /nothing was deleted: the registry and this store know nothing of each other/
  )
  t.ok(existsSync(at('aa-1')), 'nothing was deleted')
  const forced = await gc('--older-than', '0', '--force')
  t.equal(forced.code, 0)
  t.match(forced.out, 'main: 2 orphans, 8 B deleted')
  t.notOk(existsSync(at('aa-1')))
  t.equal((await gc('--older-than', 'soon')).code, 2)
})
