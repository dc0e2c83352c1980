import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { MiB, pattern, patternDigest } from '../src/bytes.ts'
import { command } from '../src/command.ts'
import { compose, composeServices } from '../src/compose.ts'
import { request } from '../src/http.ts'
import { Images } from '../src/images.ts'
import { missingCommand, missingVariable, testWith } from '../src/require.ts'
import { freePort, program } from '../src/tank.ts'
import { until } from '../src/wait.ts'

t.setTimeout(900_000)

const checkConfig = (kind: string, env: Readonly<Record<string, string>>) =>
  command(process.execPath, [program, 'check-config', '--for', kind], {
    env: { PATH: process.env.PATH, ...env }
  })

await t.test('the compose file sets what exists, and hardens every service', async (t) => {
  const services = composeServices()
  const kinds: Record<string, string> = { registry: 'registry', 'api-1': 'api', 'api-2': 'api' }
  for (const [name, service] of Object.entries(services)) {
    t.same(service.cap_drop, ['ALL'], `${name} drops capabilities`)
    t.equal(service.read_only, true, `${name} has a read-only root`)
    t.match(service.security_opt, ['no-new-privileges:true'])
    for (const port of service.ports ?? []) t.match(port, /^127\.0\.0\.1:/, `${name} is local`)
    const kind = kinds[name]
    if (kind === undefined) continue
    t.same(service.command, [kind])
    const { code, stderr } = await checkConfig(kind, service.environment ?? {})
    t.equal(code, 0, `the settings of ${name} are valid`, { stderr })
  }
  const wrong = await checkConfig('api', {
    ...services['api-1']?.environment,
    TANK_API__IDENTITY__ALLOW_OPNE: 'true'
  })
  t.not(wrong.code, 0, 'a name that does not exist is noticed')
  t.match(wrong.stderr, /unknown key/)
})

const needs = [
  missingCommand('docker'),
  missingVariable('TANK_TEST_DOCKER', 'e2e/servers/docker.sh start, base-images.sh')
]
await testWith(t, 'docker compose: a small cluster', needs, async (t) => {
  const port = await freePort()
  const project = `tanke2e${randomBytes(3).toString('hex')}`
  const url = `http://127.0.0.1:${port}`
  const images = new Images(url)
  const run = compose(project, {
    TANK_PORT: `${port}`,
    TANK_LISTEN: '127.0.0.1',
    TANK_SECRET: randomBytes(24).toString('hex'),
    POSTGRES_PASSWORD: randomBytes(24).toString('hex')
  })
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(args, 600_000)
    if (code !== 0) throw new Error(`docker compose ${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }
  t.teardown(async () => {
    if (!t.passing()) {
      const logs = await run(['logs', '--no-color', '--tail', '60'])
      t.comment(logs.stdout)
    }
    await run(['down', '-v', '--timeout', '10'])
  })
  await ok('build')

  const began = Date.now()
  await ok('up', '-d')
  await until('the service answers', 90_000, async () =>
    (await request(`${url}/healthcheck`)).status === 200 ? true : undefined
  )
  const took = Date.now() - began
  t.ok(took <= 90_000, `healthy after ${took} ms`)

  const size = 64 * MiB + 123
  const digest = patternDigest(size)
  const { id } = await images.create({ name: 'kept' })
  for (const length of [undefined, size]) {
    const target = length === undefined ? id : (await images.create()).id
    const put = await images.upload(
      target,
      pattern({ size }),
      length === undefined ? {} : { length }
    )
    t.equal(put.status, 204, 'uploaded through the proxy', { answer: put.body.toString() })
  }
  const isServed = async (t: Test, what: string) =>
    t.match(
      await images.download(id),
      { status: 200, size, sha256: digest, isComplete: true },
      what
    )
  await isServed(t, 'downloaded')

  await t.test('nothing runs as root or is published beyond loopback', async (t) => {
    for (const service of ['registry', 'api-1', 'api-2', 'proxy']) {
      const user = (await ok('exec', '-T', service, 'id', '-u')).trim()
      t.not(user, '0', `${service} runs as ${user}`)
    }
    t.match(await ok('port', 'proxy', '9292'), `127.0.0.1:${port}`)
    const touch = await run(['exec', '-T', 'api-1', 'touch', '/opt/tank/x'])
    t.not(touch.code, 0, 'the program cannot be written')
  })

  await t.test('a service is well, or not, by what it answers', async (t) => {
    const health = async (url: string) => {
      const { code } = await run([
        'exec',
        '-T',
        '-e',
        `TANK_HEALTH_URL=${url}`,
        'api-1',
        'tank-health'
      ])
      return code
    }
    t.equal((await run(['exec', '-T', 'registry', 'tank-health'])).code, 0)
    t.equal(await health('http://127.0.0.1:9292/readyz'), 0)
    for (const url of [
      'http://127.0.0.1:9292/nowhere',
      'http://127.0.0.1:1/',
      'https://127.0.0.1:1/'
    ]) {
      t.not(await health(url), 0, url)
    }
  })

  await t.test('a refusal in the middle of a body comes through the proxy', async (t) => {
    const answer = await images.upload(id, pattern({ size: 32 * MiB }))
    t.equal(answer.status, 409)
  })

  await t.test('one replica stops', async (t) => {
    for (const replica of ['api-1', 'api-2']) {
      await ok('stop', replica)
      for (let n = 0; n < 4; n++) await isServed(t, `downloaded without ${replica}`)
      const other = await images.create()
      t.equal((await images.upload(other.id, pattern({ size: MiB }))).status, 204)
      t.equal((await images.delete(other.id)).status, 204)
      await ok('start', replica)
      await until(`${replica} is healthy`, 60_000, async () => {
        const health = '{{.State.Health.Status}}'
        const { stdout } = await run(['ps', '-q', replica])
        const state = await command('docker', ['inspect', '-f', health, stdout.trim()])
        return state.stdout.trim() === 'healthy' ? true : undefined
      })
    }
  })

  await t.test('down and up again keeps the images', async (t) => {
    await ok('down')
    await ok('up', '-d')
    await until('the service answers', 90_000, async () =>
      (await request(`${url}/healthcheck`)).status === 200 ? true : undefined
    )
    await isServed(t, 'downloaded after a restart of everything')
    t.match(await images.show(id), { name: 'kept', status: 'active', size })
  })
})
