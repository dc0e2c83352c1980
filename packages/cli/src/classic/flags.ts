import { type CommandCall, type Flag, integer, text, UsageError } from '../command-line.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'

/** Options of every classic command. */
export const CLASSIC_FLAGS = {
  url: { ...CONNECTION_FLAGS.url, short: 'U' },
  host: {
    type: 'string',
    short: 'H',
    value: 'ADDRESS',
    help: 'the service, without --url (127.0.0.1)'
  },
  port: { type: 'string', short: 'p', value: 'PORT', help: 'its port (9292)' },
  ssl: { type: 'boolean', help: 'by https' },
  insecure: { type: 'boolean', short: 'k', help: 'take any certificate; for tests' },
  cacert: CONNECTION_FLAGS.cacert,
  profile: CONNECTION_FLAGS.profile,
  auth_token: { type: 'string', short: 'A', value: 'TOKEN', help: 'a token (better: TANK_TOKEN)' },
  os_auth_token: { type: 'string', value: 'TOKEN', help: 'the same' },
  os_username: { type: 'string', short: 'I', value: 'NAME', help: 'the user (OS_USERNAME)' },
  os_password: { type: 'string', short: 'K', value: 'TEXT', help: 'better: OS_PASSWORD' },
  os_tenant_name: {
    type: 'string',
    short: 'T',
    value: 'NAME',
    help: 'the project (OS_PROJECT_NAME)'
  },
  os_auth_url: { type: 'string', short: 'N', value: 'URL', help: 'identity service (OS_AUTH_URL)' },
  os_region_name: {
    type: 'string',
    short: 'R',
    value: 'NAME',
    help: 'the region (OS_REGION_NAME)'
  },
  os_auth_strategy: {
    type: 'string',
    short: 'S',
    value: 'KIND',
    choices: ['noauth', 'keystone'],
    help: 'noauth: nobody in particular'
  },
  verbose: { type: 'boolean', short: 'v', help: 'say more' },
  debug: { type: 'boolean', short: 'd', help: 'show where a failure came from' }
} as const satisfies Record<string, Flag>

export const LIST_FLAGS = {
  limit: { type: 'string', value: 'N', help: 'images on a page (10)' },
  marker: { type: 'string', value: 'ID', help: 'begin after this image' },
  sort_key: { type: 'string', value: 'FIELD', help: 'order by this field' },
  sort_dir: { type: 'string', value: 'asc|desc', choices: ['asc', 'desc'], help: 'up or down' }
} as const satisfies Record<string, Flag>

export const FORCE_FLAG = {
  force: { type: 'boolean', short: 'f', help: 'do not ask' }
} as const satisfies Record<string, Flag>

export const DRY_RUN_FLAG = {
  'dry-run': { type: 'boolean', help: 'say what would be done, and do nothing' }
} as const satisfies Record<string, Flag>

export const SILENT_FLAG = {
  'silent-upload': { type: 'boolean', help: 'no progress bar' }
} as const satisfies Record<string, Flag>

/** The variables that flags stand for, and those that would beat them. */
const VARIABLES = [
  ['os_username', 'OS_USERNAME', /^(OS|X7)_USER(_ID|NAME)$/],
  ['os_password', 'OS_PASSWORD', /^X7_PASSWORD$/],
  ['os_tenant_name', 'OS_PROJECT_NAME', /^(OS|X7)_(PROJECT|TENANT)_(ID|NAME)$/],
  ['os_auth_url', 'OS_AUTH_URL', /^X7_AUTH_URL$/],
  ['os_region_name', 'OS_REGION_NAME', /^X7_REGION_NAME$/]
] as const

/** Other ways to be somebody than name and password. */
const OTHER_WAYS =
  /^((OS|X7)_(TOKEN|AUTH_TYPE|APPLICATION_CREDENTIAL_(ID|NAME|SECRET))|TANK_(TOKEN|PROFILE))$/

const hasLogin = (call: CommandCall) =>
  ['os_username', 'os_password', 'os_auth_url'].some((flag) => text(call, flag) !== undefined)

const isNobody = (call: CommandCall) => text(call, 'os_auth_strategy') === 'noauth'

/** Whether the flags say who one is, so that the token which a profile has noted says nothing. */
export function isSomebodyByFlags(call: CommandCall): boolean {
  return isNobody(call) || (hasLogin(call) && text(call, 'profile') === undefined)
}

/** The environment without what a given flag beats. */
function environmentOf(call: CommandCall): NodeJS.ProcessEnv {
  const given = VARIABLES.filter(([flag]) => text(call, flag) !== undefined)
  const rivals = [
    ...given.map(([, , rival]) => rival),
    ...(hasLogin(call) ? [OTHER_WAYS] : []),
    ...(isNobody(call) ? [/^(OS|X7)_/, /^TANK_TOKEN$/] : [])
  ]
  const rest = Object.entries(call.env).filter(([name]) => !rivals.some((each) => each.test(name)))
  const said = isNobody(call) ? [] : given.map(([flag, name]) => [name, text(call, flag)] as const)
  return { ...Object.fromEntries(rest), ...Object.fromEntries(said) }
}

function addressOf(call: CommandCall): string | undefined {
  const url = text(call, 'url')
  if (url !== undefined) return url
  const [host, port] = [text(call, 'host'), integer(call, 'port')]
  const isSecure = call.values.ssl === true
  if (host === undefined && port === undefined && !isSecure) return undefined
  const name = host ?? '127.0.0.1'
  const authority = name.includes(':') && !name.startsWith('[') ? `[${name}]` : name
  return `${isSecure ? 'https' : 'http'}://${authority}:${port ?? 9292}`
}

/** The call as the other commands would be told the same: by `--url` and the environment. */
export function modernCall(call: CommandCall): CommandCall {
  const { values } = call
  const strategy = text(call, 'os_auth_strategy')
  if (strategy !== undefined && strategy !== 'noauth' && strategy !== 'keystone') {
    throw new UsageError(`--os_auth_strategy is noauth or keystone, not "${strategy}".`)
  }
  const token = text(call, 'auth_token') ?? text(call, 'os_auth_token')
  return {
    ...call,
    values: { ...values, url: addressOf(call) },
    env: { ...environmentOf(call), ...(token === undefined ? {} : { TANK_TOKEN: token }) }
  }
}
