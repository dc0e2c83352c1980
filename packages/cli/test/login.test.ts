import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { type Answers, startService, tank } from './service.ts'

t.setTimeout(120_000)

const service = await startService()
const { TANK_URL = '', TANK_TOKEN: token = '' } = service.env('A')
const { TANK_TOKEN: other = '' } = service.env('B')

/** A configuration folder of one's own. */
function freshHome(test: { teardown(fn: () => void): void }) {
  const dir = mkdtempSync(join(tmpdir(), 'tank-login-'))
  test.teardown(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'tank', 'config.yaml')
  return { env: { XDG_CONFIG_HOME: dir }, file, read: () => parse(readFileSync(file, 'utf8')) }
}

t.test('login asks, tries, and notes what worked; logout forgets it', async (t) => {
  const { env, file, read } = freshHome(t)
  const answers: Answers = [
    ['Service [http://127.0.0.1:9292]: ', `${TANK_URL}/`],
    ['Token: ', 'wrong'],
    ['Token: ', token]
  ]
  const done = await tank(['login'], { env, answers })
  t.match(done, {
    code: 0,
    out: '',
    err: /does not take this token[\s\S]*profile default now, noted in/
  })
  t.notOk(done.err.includes(token) || done.err.includes('wrong'), 'S-02 it is not shown')
  t.same(read(), { profile: 'default', profiles: { default: { url: TANK_URL, token } } })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700)
  t.match(await tank(['image', 'list'], { env }), { code: 0, err: '' })
  t.match(await tank(['logout'], { env }), { code: 0, err: 'profile default is forgotten.\n' })
  t.same(read(), { profiles: {} })
  t.match(await tank(['logout'], { env }), { code: 2, err: /no profile "default"/ })
})

t.test('several profiles; the token of one goes nowhere else', async (t) => {
  const { env, read } = freshHome(t)
  const log = (name: string, secret: string) =>
    tank(['login', '--url', TANK_URL, '--profile', name, '--token-stdin'], {
      env,
      input: Buffer.from(`${secret}\n`)
    })
  t.equal((await log('a', token)).code, 0)
  t.equal((await log('b', other)).code, 0)
  t.match(read(), { profile: 'b', profiles: { a: { token }, b: { token: other } } })
  const made = await tank(
    ['image', 'create', 'of-a', '--profile', 'a', '-o', 'value', '-c', 'owner'],
    {
      env
    }
  )
  t.match(made, { code: 0, out: 'A\n' }, made.err)
  t.equal((await tank(['image', 'show', 'of-a'], { env })).code, 3, 'b was noted last')
  t.equal((await tank(['image', 'show', 'of-a'], { env: { ...env, TANK_PROFILE: 'a' } })).code, 0)
  const place = TANK_URL.replace('127.0.0.1', 'localhost')
  const elsewhere = await tank(['image', 'list', '--url', place], { env })
  t.match(elsewhere, { code: 4, err: /wants to know who you are/ })
  const overridden = { ...env, TANK_TOKEN: token, TANK_PROFILE: 'b' }
  t.equal((await tank(['image', 'show', 'of-a'], { env: overridden })).code, 0)
  t.equal((await tank(['logout', '--profile', 'a'], { env })).code, 0)
  t.same(Object.keys(read().profiles), ['b'])
  t.equal(read().profile, 'b')
})

t.test('what is not taken is not noted', async (t) => {
  const { env, file } = freshHome(t)
  const refused = await tank(['login', '--url', TANK_URL, '--token-stdin'], {
    env,
    input: Buffer.from('canary')
  })
  t.match(refused, { code: 4, err: /does not take this token/ })
  t.notMatch(refused.err, /canary/)
  const away = await tank(['login', '--url', 'http://127.0.0.1:1', '--token-stdin'], {
    env,
    input: Buffer.from(token)
  })
  t.match(away, { code: 5, err: /no service answers/ })
  t.match(await tank(['login', '--url', TANK_URL], { env }), { code: 2, err: /--token-stdin/ })
  const name = await tank(['login', '--profile', '../x', '--token-stdin'], { env })
  t.match(name, { code: 2, err: /no name of a profile/ })
  t.throws(() => statSync(file))
})

t.test('a file that others can read, or that is broken', async (t) => {
  const { env, file } = freshHome(t)
  const input = Buffer.from(token)
  t.equal((await tank(['login', '--url', TANK_URL, '--token-stdin'], { env, input })).code, 0)
  chmodSync(file, 0o640)
  const open = await tank(['image', 'list'], { env })
  t.match(open, { code: 1, err: /others can read .*config.yaml.*chmod 600/ })
  chmodSync(file, 0o600)
  writeFileSync(file, 'profiles: { a: { tokn: canary, url: 1 }, "b/": {} }\nprofil: x\n')
  const faulty = await tank(['image', 'list'], { env })
  t.equal(faulty.code, 2)
  for (const fault of [
    '/profil: unknown key',
    '/profiles/a/tokn: unknown key',
    '/profiles/a/url: must be text',
    '/profiles/b/: is no name of a profile'
  ]) {
    t.match(faulty.err, fault)
  }
  writeFileSync(file, 'profiles: { a: canary\n')
  const broken = await tank(['image', 'list'], { env })
  t.match(broken, { code: 2, err: /config.yaml: line \d is no YAML/ })
  t.notMatch(faulty.err + broken.err, /canary/)
})

t.test('certificates are noted so that they are found from every folder', async (t) => {
  const { env, read } = freshHome(t)
  const file = join(t.testdir({ 'ca.pem': '' }), 'ca.pem')
  const flags = ['--url', TANK_URL, '--cacert', relative(process.cwd(), file), '--token-stdin']
  const done = await tank(['login', ...flags], { env, input: Buffer.from(token) })
  t.equal(done.code, 0, done.err)
  t.equal(read().profiles.default.caFile, file)
})
