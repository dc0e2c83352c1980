import { join } from 'node:path'
import { Readable } from 'node:stream'
import pg from 'pg'
import t from 'tap'
import { command } from '../src/command.ts'
import { freshDatabase } from '../src/database.ts'
import { type Answer, request } from '../src/http.ts'
import { missingCommand, testWith } from '../src/require.ts'
import { program, startTank, type Tank, tempFolder } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(240_000)

const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(TANK_|TAP|NODE_OPTIONS)/.test(name))
)

const database = await freshDatabase()
t.teardown(() => database.drop())
const sql = new pg.Pool({ connectionString: database.url, max: 1 })
// the server may say that the database goes before they have closed
sql.on('error', () => undefined)
t.teardown(() => sql.end())

const folder = await tempFolder(t)
const dataDir = join(folder, 'data')
const identity = {
  mode: 'tokens',
  authenticateUri: 'https://id.example.test/v3',
  tokens: { cacheSeconds: 0.5 }
}
const tank: Tank = await startTank(t, {
  command: 'serve',
  config: {
    api: { identity, workers: 2 },
    registry: { databaseUrl: database.url },
    log: { level: 'debug' }
  },
  args: ['--data-dir', dataDir],
  folder,
  mark: folder
})

/** Everything that left Tank, but for the answers that hold a secret on purpose. */
const seen: string[] = []
const secrets: string[] = []

async function token(...args: string[]) {
  const flags = ['--data-dir', dataDir]
  const all = [program, 'token', ...args, ...flags]
  const outcome = await command(process.execPath, all, { env: clean, cwd: folder })
  seen.push(outcome.stderr)
  if (args[0] !== 'create') seen.push(outcome.stdout)
  return outcome
}

async function makeToken(name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await token('create', '--name', name, ...args)
  if (code !== 0) throw new Error(stderr)
  const secret = stdout.trim()
  secrets.push(secret)
  return secret
}

async function call(
  secret: string | undefined,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {}
): Promise<Answer> {
  const answer = await request(`${tank.url}${path}`, {
    method,
    headers: {
      ...(secret === undefined ? {} : { 'x-auth-token': secret }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  seen.push(`${JSON.stringify(answer.headers)}\n${answer.body}`, tank.log)
  return answer
}

const show = async (secret: string | undefined, id: string) =>
  (await call(secret, 'GET', `/v2/images/${id}`)).status

async function create(secret: string, fields: object = {}): Promise<Answer> {
  return await call(secret, 'POST', '/v2/images', {
    name: 'x',
    disk_format: 'raw',
    container_format: 'bare',
    ...fields
  })
}

async function refused(secret: string): Promise<Answer> {
  return await until('the token is refused', 30_000, async () => {
    const answer = await call(secret, 'GET', '/v2/images')
    return answer.status === 200 ? undefined : answer
  })
}

const ann = await makeToken('ann', '--project', 'P1')
const bob = await makeToken('bob', '--project', 'P2', '--user', 'bob', '--expires', '2h')
const reader = await makeToken('eve', '--project', 'P1', '--role', 'reader')
const admin = await makeToken('root', '--role', 'admin')

t.test('HTP1 CRE16 without a token that is valid: 401, and how to get one', async (t) => {
  for (const secret of [undefined, 'wrong', `tank_${'x'.repeat(43)}`]) {
    const answer = await call(secret, 'GET', '/v2/images')
    t.equal(answer.status, 401, secret ?? 'none')
    const challenge = String(answer.headers['www-authenticate'])
    t.match(challenge, /^Bearer realm="tank".*, Keystone uri="https:\/\/id\.example\.test\/v3"$/)
    t.match(JSON.parse(String(answer.body)), { error: { code: 401, title: 'Unauthorized' } })
  }
  const post = await call(undefined, 'POST', '/v2/images', { name: 'x' })
  t.equal(post.status, 401)
  t.equal((await call(undefined, 'GET', '/versions')).status, 200, 'versions are for everyone')
  t.equal((await call(undefined, 'GET', '/readyz')).status, 200)
})

t.test('S-01 VS4 each token is a project with roles', async (t) => {
  const made = await create(ann)
  t.equal(made.status, 201)
  const image: { id: string; owner: string } = JSON.parse(String(made.body))
  t.equal(image.owner, 'P1')
  const bearer = { authorization: `Bearer ${ann}` }
  const by = await call(undefined, 'GET', `/v2/images/${image.id}`, undefined, bearer)
  t.equal(by.status, 200, 'RFC 6750')
  t.equal(await show(ann, image.id), 200)
  t.equal(await show(reader, image.id), 200)
  t.equal(await show(admin, image.id), 200)
  t.equal(await show(bob, image.id), 404, 'of another project')
  t.equal((await create(reader)).status, 403, 'POL1 readers write nothing')
  t.equal((await create(ann, { visibility: 'public' })).status, 403)
  t.equal((await create(admin, { visibility: 'public', owner: 'P2' })).status, 201)
  t.equal((await call(bob, 'DELETE', `/v2/images/${image.id}`)).status, 404)
  const { rows } = await sql.query(
    `SELECT actor, project FROM changes WHERE image_id = $1 AND type = 'image.create'`,
    [image.id]
  )
  t.strictSame(rows, [{ actor: 'ann', project: 'P1' }], 'changes name who made them')
})

await testWith(
  t,
  'CLI1 the openstack command takes a token',
  [missingCommand('openstack')],
  async (t) => {
    const endpoint = ['--os-auth-type', 'admin_token', '--os-endpoint', `${tank.url}/v2`]
    const all = [
      ...endpoint,
      '--os-token',
      ann,
      'image',
      'create',
      'cli',
      '-f',
      'value',
      '-c',
      'owner'
    ]
    const env = { PATH: process.env.PATH, HOME: '/nonexistent', LANG: 'C.UTF-8' }
    const { code, stdout, stderr } = await command('openstack', all, { env })
    t.match([code, stdout], [0, /^P1$/m], stderr)
  }
)

t.test('S-48 S-03 a token that is revoked, or expired, is refused soon', async (t) => {
  const short = await makeToken('short', '--project', 'P1')
  t.equal((await call(short, 'GET', '/v2/images')).status, 200)
  t.equal((await call(bob, 'GET', '/v2/images')).status, 200)
  const revoked = await token('revoke', 'short')
  t.equal(revoked.code, 0, revoked.stderr)
  const answer = await refused(short)
  t.equal(answer.status, 401)
  t.match(String(answer.body), /unknown, expired or revoked/)
  await sql.query(`UPDATE tokens SET expires_at = now() WHERE name = 'bob'`)
  t.equal((await refused(bob)).status, 401)
  const listed = await token('list', '--all')
  t.match(listed.stdout, /^short .* revoked /m)
  t.match(listed.stdout, /^bob .* expired /m)
  t.match(listed.stdout, /^ann .* valid /m)
  const twice = await token('create', '--name', 'ann', '--project', 'P9')
  t.match(twice, { code: 1, stdout: '', stderr: /There is a token "ann" already/ })
})

t.test('A5 an upload that began with a valid token ends well', async (t) => {
  const brief = await makeToken('brief', '--project', 'P1')
  const { id } = JSON.parse(String((await create(brief)).body))
  let more = () => {}
  const middle = new Promise<void>((resolve) => {
    more = resolve
  })
  const bytes = Readable.from(
    (async function* () {
      yield Buffer.alloc(70_000, 1)
      await middle
      yield Buffer.alloc(70_000, 2)
    })()
  )
  const upload = request(`${tank.url}/v2/images/${id}/file`, {
    method: 'PUT',
    headers: { 'x-auth-token': brief, 'content-type': 'application/octet-stream' },
    body: bytes
  })
  const status = async () =>
    JSON.parse(String((await call(ann, 'GET', `/v2/images/${id}`)).body)).status
  await until('it runs', 30_000, async () => ((await status()) === 'saving' ? true : undefined))
  await token('revoke', 'brief')
  t.equal((await refused(brief)).status, 401)
  more()
  t.equal((await upload).status, 204)
  t.equal(await status(), 'active')
})

t.test('S-02 no secret is in an answer, a log or a row', async (t) => {
  t.equal((await call(ann, 'GET', `/v2/images/${ann}`)).status, 404)
  await call(ann, 'GET', `/v2/images?name=${ann}&limit=x`)
  await call(ann, 'GET', `/${ann}`)
  const headers = { authorization: `Bearer ${admin}` }
  t.equal((await call(ann, 'GET', '/v2/images', undefined, headers)).status, 401)
  await sql.query('ALTER TABLE tokens RENAME TO away')
  const broken = await until('tokens cannot be read', 30_000, async () => {
    const answer = await call(ann, 'GET', '/v2/images')
    return answer.status === 200 ? undefined : answer
  })
  t.equal(broken.status, 503, 'nobody gets in when tokens cannot be checked')
  t.ok(broken.headers['retry-after'])
  await sql.query('ALTER TABLE away RENAME TO tokens')
  t.equal((await call(ann, 'GET', '/v2/images')).status, 200)
  const tables = await sql.query(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`
  )
  const rows: string[] = []
  for (const { name } of tables.rows) {
    const { rows: all } = await sql.query(`SELECT row_to_json(x) AS row FROM "${name}" x`)
    rows.push(...all.map(({ row }) => JSON.stringify(row)))
  }
  t.ok(rows.some((row) => row.includes('"name":"ann"')))
  t.equal(await tank.stop(), 0)
  const all = [...seen, ...rows, tank.log].join('\n')
  t.match(all, /"url":"\/v2\/images\?name=tank_\*\*\*/, 'the log was seen')
  t.equal(secrets.length, 6)
  for (const secret of secrets) {
    const forms = [secret, secret.slice(5, 25), Buffer.from(secret).toString('base64').slice(4, 44)]
    for (const form of forms) t.notOk(all.includes(form), 'a secret')
  }
})
