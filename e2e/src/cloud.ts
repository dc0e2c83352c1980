import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type ClientCommand, runClient } from './client-host.ts'
import { startAlone } from './cluster.ts'
import { sharedDatabase } from './database.ts'
import { request } from './http.ts'
import { missingCommand, missingVariable } from './require.ts'
import { type Tank, tempFolder } from './tank.ts'

/** Base of the identity service, `/v3` included. */
export const { TANK_TEST_KEYSTONE_URL: keystoneUrl = '' } = process.env
// of Debian, as is the Python that runs them
const openstack = process.env.TANK_TEST_OPENSTACK || '/usr/bin/openstack'
const glance = '/usr/bin/glance'

/** What tests with a cloud need. */
export const keystoneNeeds = [
  missingVariable('TANK_TEST_KEYSTONE_URL', 'e2e/servers/keystone.sh start'),
  missingCommand(openstack)
]
export const glanceNeeds = [...keystoneNeeds, missingCommand(glance)]

/** The account by which Tank asks about tokens. */
export const own = {
  user: process.env.TANK_TEST_KEYSTONE_USER ?? '',
  password: process.env.TANK_TEST_KEYSTONE_PASSWORD ?? '',
  project: process.env.TANK_TEST_KEYSTONE_PROJECT ?? ''
}

/** `tank serve` that asks the real Keystone. */
export async function startWithKeystone(
  t: Test,
  credentials: object = own,
  api: object = {},
  registry: object = {}
): Promise<Tank> {
  const keystone = { url: keystoneUrl, cacheSeconds: 1, ...credentials }
  const identity = { mode: 'keystone', keystone }
  const database = await sharedDatabase(t)
  const { tank } = await startAlone(t, { identity, ...api }, { ...database, ...registry })
  return tank
}

/** Calls of an Identity API, and tokens of the users of the script's. */
export function identityAt(base: string) {
  const call = async (
    method: string,
    path: string,
    token: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {}
  ) => {
    const answer = await request(`${base}${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'x-auth-token': token, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = answer.body.toString()
    return { ...answer, json: text === '' ? undefined : JSON.parse(text) }
  }
  const login = async (user: string, project: string) => {
    const domain = { name: 'Default' }
    const who = { name: user, domain, password: `${user}pw` }
    const { headers, json } = await call('POST', '/auth/tokens', '', {
      auth: {
        identity: { methods: ['password'], password: { user: who } },
        scope: { project: { name: project, domain } }
      }
    })
    return { token: String(headers['x-subject-token']), userId: String(json.token.user.id) }
  }
  return { call, login }
}

export const { call: keystone, login } = identityAt(keystoneUrl)

const PEOPLE = {
  admin: ['admin', 'admin'],
  member: ['member', 'one'],
  reader: ['reader', 'one'],
  other: ['other', 'two']
} as const

/** Who the clients can be: users of the script's, each in a project. */
export type Person = keyof typeof PEOPLE

/** A Tank with the real Keystone, and the command lines as several people. */
export async function startCloud(t: Test, api: object = {}, registry: object = {}) {
  const tank = await startWithKeystone(t, own, api, registry)
  const folder = await tempFolder(t)
  const clouds = Object.fromEntries(
    Object.entries(PEOPLE).map(([who, [user, project]]) => [who, cloud(tank, user, project)])
  )
  const file = join(folder, 'clouds.json')
  await writeFile(file, JSON.stringify({ clouds }))
  const base = { PATH: process.env.PATH ?? '', HOME: await tempFolder(t), LANG: 'C.UTF-8' }
  const env = { ...base, OS_CLIENT_CONFIG_FILE: file }
  return {
    tank,
    folder,
    /** The `openstack` command. */
    as: (who: Person) => client(t, who, ['--os-cloud', who], { script: openstack, env }),
    /** The older `glance` command, at a terminal: else it would take its standard input for the image. */
    glance: (who: Person) => {
      const flags = ['--os-image-url', tank.url, '--os-auth-url', keystoneUrl]
      const env = { ...base, ...credentials(who) }
      return client(t, who, flags, { script: glance, env, terminal: true })
    },
    /** The `openstack` command, which has to find Tank in the catalogue. */
    byCatalogue: (who: Person) => {
      const flags = ['--os-auth-url', keystoneUrl, '--os-region-name', 'RegionOne']
      return client(t, who, flags, { script: openstack, env: { ...base, ...credentials(who) } })
    },
    /** A program for openstacksdk, which is told the name of its cloud. */
    sdk: async (who: Person, program: string, ...args: string[]) => {
      const { code, stdout, stderr } = await runClient({ program, args: [who, ...args], env })
      t.equal(code, 0, `${who}: openstacksdk`, { stdout, stderr })
      return JSON.parse(stdout)
    }
  }
}

function cloud(tank: Tank, username: string, project: string) {
  return {
    auth: {
      auth_url: keystoneUrl,
      username,
      password: `${username}pw`,
      project_name: project,
      user_domain_name: 'Default',
      project_domain_name: 'Default'
    },
    identity_api_version: '3',
    image_endpoint_override: tank.url
  }
}

function credentials(who: Person) {
  const [user, project] = PEOPLE[who]
  return {
    OS_IDENTITY_API_VERSION: '3',
    OS_USERNAME: user,
    OS_PASSWORD: `${user}pw`,
    OS_PROJECT_NAME: project,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_NAME: 'Default'
  }
}

function client(
  t: Test,
  who: Person,
  given: readonly string[],
  command: Omit<ClientCommand, 'args'>
) {
  const run = (...args: string[]) => runClient({ ...command, args: [...given, ...args] })
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args)
    t.equal(code, 0, `${who}: ${args.slice(0, 4).join(' ')}`, { stdout, stderr })
    return stdout
  }
  return {
    run,
    ok,
    json: async (...args: string[]) => JSON.parse(await ok(...args, '-f', 'json')),
    /** Fails, for want of the right to do it. */
    denied: async (...args: string[]) => {
      const { code, stdout, stderr } = await run(...args)
      t.not(code, 0, `${who} may not: ${args.slice(0, 4).join(' ')}`, { stdout, stderr })
      t.match(stderr, /403|Forbidden|not authorized|not permitted/i)
    }
  }
}
