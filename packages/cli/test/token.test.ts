import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRegistryClient } from '@tank/client'
import { buildRegistry } from '@tank/registry'
import { runServer, tokenDigest } from '@tank/service'
import t from 'tap'
import { parseExpiry } from '../src/admin/expiry.ts'
import { main, openEmbeddedPostgres } from '../src/index.ts'
import { welcome } from '../src/welcome.ts'

t.setTimeout(120_000)

const NOW = Date.UTC(2027, 0, 31, 12)
const SECRET = /^tank_[A-Za-z0-9_-]{43}\n$/
const quiet = () => {}

/** A registry that the configuration names. */
async function startRegistry() {
  const dataDir = mkdtempSync(join(tmpdir(), 'tank-token-'))
  chmodSync(dataDir, 0o755)
  const log = { info: quiet, warn: quiet, error: quiet }
  const postgres = await openEmbeddedPostgres({ dataDir, log, durable: false })
  const secret = 'a secret of the tests'
  const app = await buildRegistry({ databaseUrl: postgres.url, secret })
  const server = await runServer(app, { listen: { port: 0 }, drainMs: 100, log: app.log })
  const client = createRegistryClient({ urls: [server.url], secret })
  t.teardown(async () => {
    await client.close()
    await server.stop()
    await postgres.kill()
    rmSync(postgres.data, { recursive: true, force: true })
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { client, env: { TANK_REGISTRY_URL: server.url, TANK_REGISTRY_SECRET: secret } }
}

const registry = await startRegistry()

/** Runs `tank token` in this process. */
async function tank(...args: string[]) {
  let [out, err] = ['', '']
  const code = await main(['token', ...args], {
    env: { ...registry.env, TANK_API__IDENTITY__MODE: 'tokens', TANK_LOG_LEVEL: 'silent' },
    print: (text) => {
      out += text
    },
    printError: (text) => {
      err += text
    }
  })
  return { code, out, err }
}

t.test(
  'S-48 create: the secret alone goes to standard output, its digest to the registry',
  async (t) => {
    const made = await tank('create', '--name', 'ci', '--project', 'builds')
    t.equal(made.code, 0, made.err)
    t.match(made.out, SECRET)
    t.match(
      made.err,
      /^token ci \([0-9a-f-]{36}\): project builds, user ci, roles member, expires 20/
    )
    t.notOk(made.err.includes(made.out.trim()), 'S-02')
    const found = await registry.client.findToken(tokenDigest(made.out.trim()) ?? '')
    t.match(found, { user: 'ci', project: 'builds', domain: null, roles: ['member'] })
    const days = (found?.expires_in_ms ?? 0) / 86_400_000
    t.ok(days > 89.9 && days <= 90, 'tokens end unless told otherwise')
  }
)

t.test('create: roles, user, domain, no end, JSON', async (t) => {
  const flags = ['--user', 'bob', '--domain', 'd', '--role', 'Member', '--role', 'reader,operator']
  const made = await tank('create', '--name', 'all', '--project', 'P', '--json', ...flags)
  t.equal(made.code, 0, made.err)
  t.match(made.err, /^warning: Tank gives the role "operator" no rights/m)
  t.equal(made.err.match(/warning/g)?.length, 1)
  const document = JSON.parse(made.out)
  t.match(document, { name: 'all', project: 'P', user: 'bob', domain: 'd', state: 'valid' })
  t.strictSame(document.roles, ['member', 'reader', 'operator'])
  t.match(`${document.secret}\n`, SECRET)
  const root = await tank('create', '--name', 'root', '--role', 'admin', '--expires', 'never')
  t.equal(root.code, 0, root.err)
  t.match(root.err, /no project, user root, roles admin, never expires/)
})

t.test('list shows them without their secrets; revoke ends them by name or id', async (t) => {
  const made = await tank('create', '--name', 'old', '--project', 'P')
  const ended = await tank('revoke', 'old')
  t.match(ended, { code: 0, out: '', err: /^revoked old; within 10 s/ })
  t.equal(await registry.client.findToken(tokenDigest(made.out.trim()) ?? ''), null)
  const shown = await tank('list')
  t.equal(shown.code, 0, shown.err)
  t.match(shown.out, /^NAME +PROJECT +USER +ROLES +STATE +EXPIRES +LAST USED +ID$/m)
  t.match(shown.out, /^ci +builds +ci +member +valid +20\S+Z +20\S+Z +[0-9a-f-]{36}$/m)
  t.match(shown.out, /^root +- +root +admin +valid +never +never +/m)
  t.notMatch(shown.out, /^old |tank_/m)
  t.match((await tank('list', '--all')).out, /^old .* revoked /m)
  const tokens: { id: string; name: string }[] = JSON.parse((await tank('list', '--json')).out)
  t.same(
    tokens.map(({ name }) => name),
    ['ci', 'all', 'root']
  )
  t.equal((await tank('revoke', tokens[0]?.id ?? '')).code, 0)
  t.notMatch((await tank('list')).out, /^ci /m)
  const again = await tank('create', '--name', 'ci', '--project', 'P')
  t.equal(again.code, 0, 'the name is free')
})

t.test('what cannot be is told in a sentence', async (t) => {
  const before = (await tank('list', '--all')).out
  const taken = await tank('create', '--name', 'ci', '--project', 'P')
  t.match(taken, { code: 1, out: '', err: /There is a token "ci" already. Revoke it first/ })
  const named = await tank('create', '--name', 'a b', '--project', 'P')
  t.match(named, { code: 1, out: '', err: /The name of a token has/ })
  t.match(await tank('revoke', 'nobody'), { code: 1, err: /no token of this id or name/ })
  const past = ['create', '--name', 'x', '--project', 'P', '--expires', '2020-01-01']
  const mistakes: [args: string[], says: RegExp][] = [
    [past, /--expires 2020-01-01 has passed already/],
    [[...past.slice(0, -1), 'soon'], /--expires needs a span such as/],
    [['create', '--project', 'P'], /--name NAME/],
    [['create', '--name', 'x'], /--project PROJECT/],
    [['create', '--name', 'x', '--role', 'reader'], /--project PROJECT/],
    [['create', 'x', '--name', 'x', '--project', 'P'], /"x" is one word too many/],
    [['revoke'], /tank token revoke ID or NAME/],
    [['revoke', 'a', 'b'], /"b" is one word too many/],
    [['list', 'a'], /too many/],
    [['show'], /tank token create, list or revoke/],
    [[], /tank token create, list or revoke/]
  ]
  for (const [args, says] of mistakes) {
    t.match(await tank(...args), { code: 2, out: '', err: says }, args.join(' '))
  }
  t.equal((await tank('list', '--all')).out, before, 'nothing was made')
})

t.test('create says when tokens would not count', async (t) => {
  let err = ''
  const code = await main(['token', 'create', '--name', 'odd', '--project', 'P'], {
    env: { ...registry.env, TANK_LOG_LEVEL: 'silent' },
    print: quiet,
    printError: (text) => {
      err += text
    }
  })
  t.match([code, err], [0, /^note: api.identity.mode is "none"/m])
})

t.test('without a registry that is named, one is started in the data directory', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tank-token-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const call = async (...args: string[]) => {
    let out = ''
    const code = await main(['token', ...args, '--data-dir', dataDir], {
      env: { TANK_LOG_LEVEL: 'silent' },
      print: (text) => {
        out += text
      },
      printError: quiet
    })
    return { code, out }
  }
  t.equal((await call('create', '--project', 'P')).code, 2)
  t.notOk(existsSync(dataDir), 'nothing is started for a mistake')
  t.match(await call('create', '--name', 'first', '--project', 'P'), { code: 0, out: SECRET })
  t.match(await call('list'), { code: 0, out: /^first +P /m })
})

t.test('when a token expires', async (t) => {
  const at = (text: string) => parseExpiry(text, NOW)
  t.equal(at('never'), null)
  t.equal(at('90m'), '2027-01-31T13:30:00.000Z')
  t.equal(at('12h'), '2027-02-01T00:00:00.000Z')
  t.equal(at('90d'), '2027-05-01T12:00:00.000Z')
  t.equal(at('1w'), '2027-02-07T12:00:00.000Z')
  t.equal(at('2027-02-01'), '2027-02-01T00:00:00.000Z')
  t.equal(at('2027-01-31T12:01Z'), '2027-01-31T12:01:00.000Z')
  const wrong = [
    '0d',
    '2027-01-31',
    '90',
    '-1d',
    '1.5d',
    '1y',
    '2027-02-31',
    '2027-13-01',
    '999999w'
  ]
  for (const text of [...wrong, '2027-02-01T00:00:00', '', 'Never']) {
    t.throws(() => at(text), { name: 'UsageError' }, text)
  }
})

t.test('the start-up text makes a token where one is needed', async (t) => {
  const facts = { url: 'http://127.0.0.1:9', dataDir: '/d', database: 'p', images: 'i' }
  const tokenFlags = '--data-dir /d'
  const text = welcome({ ...facts, workers: 1, notes: [], identity: 'x', tokenFlags })
  t.match(text, /^ {2}TOKEN=\$\(tank token create --name first --project demo --data-dir \/d\)$/m)
  const commands = text.split('\n').filter((line) => line.startsWith('  curl '))
  t.equal(commands.length, 3)
  for (const command of commands) t.match(command, / -H "X-Auth-Token: \$TOKEN"/)
})
