import t from 'tap'
import { identityService, imageService } from './fake-services.ts'
import { tank } from './service.ts'

t.setTimeout(60_000)

const asked = (user: object, project: object) => ({
  auth: { identity: { password: { user } }, scope: { project } }
})

t.test('classic flags beat what the environment says of the same', async (t) => {
  const images = await imageService(t)
  const identity = await identityService(t, images.url)
  const rivals = {
    X7_USERNAME: 'other',
    OS_USER_ID: 'other-id',
    OS_PROJECT_ID: 'other-project',
    X7_TENANT_NAME: 'other-tenant',
    X7_PASSWORD: 'wrong',
    X7_AUTH_URL: 'http://127.0.0.1:1',
    OS_TOKEN: 'other-token',
    X7_AUTH_TYPE: 'token',
    TANK_TOKEN: 'other-token',
    TANK_PROFILE: 'absent'
  }
  const flags = ['-I', 'me', '-K', 'right', '-T', 'mine', '-N', identity.url]
  const { code, out } = await tank(['index', ...flags], { env: rivals })
  t.match({ code, out }, { code: 0, out: '' })
  t.same(images.tokens, ['/v1/images issued'])
  t.match(identity.asked, [asked({ name: 'me' }, { name: 'mine' })])
  t.notMatch(JSON.stringify(identity.asked), /other/)
  t.match(await tank(['index', ...flags, '-A', 'given', '-U', images.url], { env: rivals }), {
    code: 0
  })
  t.equal(images.tokens[1], '/v1/images given', 'a token that is given beats them all')
})

t.test('what a profile has noted, too; noauth sends nothing', async (t) => {
  const images = await imageService(t, /.?/)
  const identity = await identityService(t, images.url)
  const env = { HOME: t.testdir() }
  const login = ['login', '--url', images.url, '--token-stdin']
  t.match(await tank(login, { env, input: Buffer.from('noted') }), { code: 0 })
  images.tokens.length = 0
  const index = (...flags: string[]) =>
    tank(['index', '-U', images.url, ...flags], { env: { ...env, TANK_TOKEN: '' } })
  t.match(await index(), { code: 0 })
  t.match(await index('-I', 'me', '-K', 'right', '-N', identity.url), { code: 0 })
  t.match(await index('-S', 'noauth'), { code: 0 })
  const named = { ...env, TANK_TOKEN: 'other', OS_TOKEN: 'other' }
  t.match(await tank(['index', '-U', images.url, '-S', 'noauth'], { env: named }), { code: 0 })
  t.same(images.tokens, ['/v1/images noted', '/v1/images issued', '/v1/images ', '/v1/images '])
})
