import t from 'tap'
import { identityService, imageService, serve } from './fake-services.ts'
import { tank } from './service.ts'

const person = { OS_USERNAME: 'someone', OS_PASSWORD: 'right', OS_PROJECT_NAME: 'one' }
const list = (env: Record<string, string>, ...flags: string[]) =>
  tank(['image', 'list', ...flags], { env })

t.test('a password: the catalogue says where the service is', async (t) => {
  const images = await imageService(t)
  const identity = await identityService(t, images.url)
  const env = { ...person, OS_AUTH_URL: identity.url }
  t.match(await list(env), { code: 0, err: '' })
  t.same(images.tokens, ['/v2/images issued'])
  t.match(identity.asked, [
    {
      auth: {
        identity: { password: { user: { name: 'someone', domain: { id: 'default' } } } },
        scope: { project: { name: 'one' } }
      }
    }
  ])
  const named = { OS_USER_DOMAIN_NAME: 'people', OS_PROJECT_DOMAIN_ID: 'projects' }
  t.match(await list({ ...env, ...named, X7_USERNAME: 'other' }), { code: 0 })
  t.match(identity.asked[1], {
    auth: {
      identity: { password: { user: { name: 'other', domain: { name: 'people' } } } },
      scope: { project: { domain: { id: 'projects' } } }
    }
  })
})

t.test('what beats what', async (t) => {
  const [images, other] = [await imageService(t), await imageService(t)]
  const identity = await identityService(t, images.url)
  const env = { ...person, OS_AUTH_URL: identity.url }
  t.match(await list({ ...env, OS_ENDPOINT: other.url }), { code: 0 })
  t.match(await list({ ...env, TANK_URL: other.url }), { code: 0 })
  t.match(await list(env, '--url', other.url), { code: 0 })
  t.match(await list({ ...env, TANK_URL: other.url, TANK_TOKEN: 'mine' }), { code: 0 })
  const issued = '/v2/images issued'
  t.same(other.tokens, [issued, issued, issued, '/v2/images mine'])
  t.same(images.tokens, [])
})

t.test(
  'a profile: one that is named beats the environment, one that is noted does not',
  async (t) => {
    const [images, noted] = [await imageService(t), await imageService(t)]
    const identity = await identityService(t, images.url)
    const home = { HOME: t.testdir() }
    const login = ['login', '--profile', 'lab', '--url', noted.url, '--token-stdin']
    t.match(await tank(login, { env: home, input: Buffer.from('noted') }), { code: 0 })
    noted.tokens.length = 0
    const env = { ...home, ...person, OS_AUTH_URL: identity.url }
    t.match(await list(env), { code: 0 })
    t.same([images.tokens, noted.tokens], [['/v2/images issued'], []])
    t.match(await list(env, '--profile', 'lab'), { code: 0 })
    t.same(noted.tokens, ['/v2/images noted'], 'its own token')
  }
)

t.test('a token, an application credential', async (t) => {
  const images = await imageService(t)
  const identity = await identityService(t, images.url)
  t.match(await list({ OS_TOKEN: 'given', OS_ENDPOINT: images.url }), { code: 0 })
  const nowhere = await list({ OS_TOKEN: 'given', OS_AUTH_URL: identity.url })
  t.match(nowhere, { code: 2, err: /OS_TOKEN does not say where .* OS_ENDPOINT or TANK_URL/ })
  const credential = {
    OS_AUTH_URL: identity.url,
    OS_APPLICATION_CREDENTIAL_ID: 'an-id',
    OS_APPLICATION_CREDENTIAL_SECRET: 'right'
  }
  t.match(await list(credential), { code: 0 })
  t.same(images.tokens, ['/v2/images given', '/v2/images issued'])
  t.match(identity.asked, [{ auth: { identity: { methods: ['application_credential'] } } }])
})

t.test('failures name what is to be done, and no secret', async (t) => {
  const images = await imageService(t, /^nobody$/)
  const identity = await identityService(t, images.url)
  const env = { ...person, OS_AUTH_URL: identity.url }
  const wrong = await list({ ...env, OS_PASSWORD: 'canary' })
  t.match(wrong, { code: 4, err: /refused the credentials: No \(http.*\)\. Are OS_USERNAME/ })
  t.notMatch(wrong.err, /canary/)
  t.match(await list({ ...env, OS_PASSWORD: '' }), { code: 2, err: /not set: OS_PASSWORD\./ })
  t.match(await list(env), { code: 4, err: /the token that OS_AUTH_URL gives. Does it know/ })
  const bare = await list({ ...env, OS_AUTH_URL: 'keystone.example:5000/v3' })
  t.match(bare, { code: 2, err: /OS_AUTH_URL is no address: it begins with https:/ })
  const empty = await identityService(t, '')
  const missing = await list({ ...env, OS_AUTH_URL: empty.url })
  t.match(missing, { code: 1, err: /no public endpoint .* --url or TANK_URL/ })
  const file = await list({ ...env, OS_CACERT: '/nowhere/ca.pem' })
  t.match(file, { code: 2, err: /cannot be read: ENOENT/ })
})

t.test('no catalogue and no address: no token to whatever listens here', async (t) => {
  const env = {
    OS_AUTH_TYPE: 'v3oidcclientcredentials',
    OS_CLIENT_ID: 'me',
    OS_CLIENT_SECRET: 'canary',
    OS_ACCESS_TOKEN_ENDPOINT: await serve(t, (_request, reply) => reply.end('{}'))
  }
  const nowhere = await list(env)
  t.match(nowhere, { code: 2, err: /does not say where the service is. OS_ENDPOINT or TANK_URL/ })
})
