import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { EXIT } from '../src/command-line.ts'
import { readConfig } from '../src/config.ts'
import { explain } from '../src/explain.ts'
import { main, storeLoader } from '../src/index.ts'
import { toText } from '../src/log.ts'
import { isLoopback, refuseOpenService } from '../src/loopback.ts'
import { welcome } from '../src/welcome.ts'

async function call(args: readonly string[], env: Record<string, string> = {}) {
  let out = ''
  let err = ''
  const code = await main(args, {
    env,
    print: (text) => {
      out += text
    },
    printError: (text) => {
      err += text
    }
  })
  return { code, out, err }
}

t.test('help and version', async (t) => {
  for (const args of [[], ['help'], ['--help'], ['-h']]) {
    t.match(await call(args), { code: 0, out: /tank serve/ }, args.join(' '))
  }
  for (const name of ['serve', 'api', 'registry', 'db', 'store', 'token', 'check-config']) {
    const shown = await call([name, '--help'])
    t.match(shown, { code: 0, out: new RegExp(`^tank ${name}`) }, name)
    t.equal((await call(['help', name])).out, shown.out)
  }
  const { out } = await call(['help'])
  for (const code of Object.values(EXIT)) t.match(out, new RegExp(`^  ${code} `, 'm'))
  t.match(await call(['version']), { code: 0, out: /^tank \d+\.\d+\.\d+, Node v/ })
})

t.test('mistakes are told in one sentence, exit code 2', async (t) => {
  t.match(await call(['serv']), { code: 2, err: /no command "serv"/ })
  t.match(await call(['serve', '--prot', '1']), { code: 2, err: /'--prot'.*tank serve --help/ })
  t.notMatch((await call(['serve', '--prot', '1'])).err, 'because')
  t.match(await call(['serve', '--port', 'abc']), { code: 2, err: /--port needs a number/ })
  t.match(await call(['serve', 'x']), { code: 2, err: /tank serve --help/ })
  t.match(await call(['db', 'drop']), { code: 2, err: /tank db migrate or tank db status/ })
  t.match(await call(['check-config', '--for', 'x']), { code: 2 })
})

t.test('the example configurations are valid', async (t) => {
  const folder = new URL('../../../../examples/', import.meta.url)
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
  t.ok(files.length > 0)
  for (const name of files) {
    const text = readFileSync(new URL(name, folder), 'utf8')
    const names = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, variable = '']) => variable)
    const env = Object.fromEntries(names.map((variable) => [variable, 'http://some-value']))
    const file = fileURLToPath(new URL(name, folder))
    t.match(await call(['check-config', '--config', file], env), { code: 0, err: '' }, name)
  }
})

t.test('check-config names every fault with its place and source', async (t) => {
  const file = join(t.testdir(), 'tank.yaml')
  writeFileSync(
    file,
    'api:\n  prot: 1\n  workers: 0\n  stores: { main: { root: /a } }\nregistry:\n  leaseSeconds: no\n'
  )
  const env = { TANK_API__PORT: '99999', TANK_REGISTRY_SECRET: 'canary' }
  const { code, err } = await call(['check-config', '--config', file], env)
  t.equal(code, 2)
  for (const fault of [
    '/api/prot: unknown key (tank.yaml)',
    '/api/workers: must be >= 1 (tank.yaml)',
    '/api/stores/main/use: missing (tank.yaml)',
    '/registry/leaseSeconds: must be number (tank.yaml)',
    '/api/port: must be <= 65535 (TANK_API__PORT)',
    '/registry/secret: must not have fewer than 8 characters (TANK_REGISTRY_SECRET)'
  ]) {
    t.ok(err.includes(fault), fault)
  }
  t.notMatch(err, /canary/)
  writeFileSync(file, 'api: { port: 1 }\n')
  t.match(await call(['check-config'], { TANK_CONFIG: file }), {
    code: 0,
    out: 'tank.yaml is valid for tank serve\n'
  })
  const api = await call(['check-config', '--config', file, '--for', 'api'])
  t.match(api, {
    code: 2,
    err: /\/api\/registry\/urls: missing[\s\S]*\/api\/registry\/secret: missing/
  })
})

t.test('short names of variables', async (t) => {
  const env = {
    TANK_DATABASE_URL: 'postgres://db/tank',
    TANK_REGISTRY_URLS: 'http://a:1,http://b:2',
    TANK_REGISTRY_SECRET: 'a long secret',
    TANK_LOG_LEVEL: 'warn',
    TANK_API__IDENTITY__ALLOW_OPEN: 'true',
    TANK_DATA_DIR: '/data'
  }
  const { registry } = readConfig('registry', { file: undefined, env })
  t.match(registry, { databaseUrl: 'postgres://db/tank', secret: 'a long secret', port: 9191 })
  const { api, log } = readConfig('api', { file: undefined, env })
  t.match(api, {
    registry: { urls: ['http://a:1', 'http://b:2'], secret: 'a long secret' },
    identity: { allowOpen: true },
    port: 9292
  })
  t.equal(log.level, 'warn')
})

t.test('without identities only this machine is served, unless told so', async (t) => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost', '::ffff:127.0.0.1']) {
    t.ok(isLoopback(host), host)
  }
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.org', '']) {
    t.notOk(isLoopback(host), host)
  }
  t.doesNotThrow(() => refuseOpenService({ host: '0.0.0.0', identity: { mode: 'headers' } }))
  t.doesNotThrow(() =>
    refuseOpenService({ host: '0.0.0.0', identity: { mode: 'none', allowOpen: true } })
  )
  for (const args of [
    ['serve', '--host', '0.0.0.0', '--data-dir', '/nonexistent'],
    ['check-config']
  ]) {
    const refused = await call(args, { TANK_API__HOST: '0.0.0.0' })
    t.match(refused, { code: 1, err: /everyone an administrator[\s\S]*ALLOW_OPEN/ })
  }
})

t.test('stores are found from the folder of the configuration, then in tank', async (t) => {
  const folder = t.testdir()
  const pack = (name: string, manifest: object, code: string) => {
    const root = join(folder, 'node_modules', name)
    mkdirSync(root, { recursive: true })
    writeFileSync(join(root, 'package.json'), JSON.stringify({ name, type: 'module', ...manifest }))
    writeFileSync(join(root, 'main.js'), code)
  }
  const plugin = 'export default async function mine() {}'
  pack('plain-store', { exports: './main.js' }, plugin)
  pack('@acme/import-only', { exports: { '.': { import: './main.js' } } }, plugin)
  pack('no-store', { exports: './main.js' }, 'export const a = 1')
  writeFileSync(join(folder, 'local.js'), plugin)
  const load = storeLoader(folder)
  for (const use of ['plain-store', '@acme/import-only', './local.js', join(folder, 'local.js')]) {
    t.equal((await load(use)).name, 'mine', use)
  }
  t.type(await load('@tank/store-fs'), 'function', "tank's own")
  await t.rejects(load('no-store'), /no-store is no store package/)
  await t.rejects(load('absent-store'), /absent-store was found neither/)
  await t.rejects(load('./absent.js'), /was found neither/)
})

t.test('the log for eyes is one line without control characters', async (t) => {
  const line = JSON.stringify({
    level: 50,
    time: 0,
    pid: 1,
    hostname: 'h',
    name: 'tank',
    msg: 'failed\u001b[2J',
    err: { message: 'why\nnot', stack: 'x' },
    port: 1
  })
  t.match(
    toText(line),
    /^\d\d:\d\d:\d\d {2}error {2}failed \[2J {2}why not {2}name=tank {2}port=1\n$/
  )
})

t.test('failures are explained with their causes, without credentials', async (t) => {
  const cause = Object.assign(new Error('listen EADDRINUSE'), {
    code: 'EADDRINUSE',
    syscall: 'listen',
    port: 9292
  })
  const text = explain(new Error('cannot reach postgres://tank:canary@db', { cause }))
  t.match(text, /cannot reach postgres:\/\/\*\*\*@db\n {2}because: port 9292 is in use/)
  t.equal(explain('text'), 'text')
})

t.test('the start-up text can be typed', async (t) => {
  const text = welcome({
    url: 'http://127.0.0.1:9',
    dataDir: '/d',
    database: 'PostgreSQL',
    images: '/d/images',
    workers: 2,
    notes: ['a note'],
    identity: 'none'
  })
  const commands = text.split('\n').filter((line) => line.startsWith('  curl '))
  t.equal(commands.length, 3)
  for (const command of commands) t.match(command, 'http://127.0.0.1:9/v2/images')
  t.match(text, /a note/)
})

t.test('a data directory that cannot be used', async (t) => {
  const file = join(t.testdir(), 'file')
  writeFileSync(file, '')
  chmodSync(file, 0o600)
  const { code, err } = await call(['db', 'status', '--data-dir', file, '--log-level', 'silent'])
  t.equal(code, 1)
  t.match(err, /^tank: .*file/)
})
