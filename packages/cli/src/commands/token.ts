import { randomUUID } from 'node:crypto'
import type { RegistryClient, TokenDocument } from '@tank/client'
import { newTokenSecret } from '@tank/service'
import { parseExpiry } from '../admin/expiry.ts'
import { table } from '../admin/sizes.ts'
import { type WithRegistry, withRegistry } from '../admin/with-registry.ts'
import { type CommandCall, FLAGS, text, texts, UsageError } from '../command-line.ts'

/** Reads the command line first: nothing is started for a mistake in it. */
type Action = (
  call: CommandCall,
  words: readonly string[]
) => (context: WithRegistry) => Promise<void>

const ROLES = ['admin', 'member', 'reader', 'service']
const LIFETIME = '90d'

function noMore(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`"${words[0]}" is one word too many.`)
}

function rolesOf(call: CommandCall): readonly string[] {
  const given = texts(call, 'role').flatMap((each) => each.split(','))
  const roles = given.map((each) => each.trim().toLowerCase()).filter((each) => each !== '')
  for (const role of roles) {
    if (!ROLES.includes(role)) {
      call.printError(
        `warning: Tank gives the role "${role}" no rights by itself; it has ${ROLES.join(', ')}\n`
      )
    }
  }
  return roles.length === 0 ? ['member'] : [...new Set(roles)]
}

function request(call: CommandCall) {
  const name = text(call, 'name')
  if (name === undefined) throw new UsageError('Say how the token is called: --name NAME.')
  const project = text(call, 'project') ?? null
  const roles = rolesOf(call)
  if (project === null && !roles.includes('admin')) {
    throw new UsageError(
      'Say whose images it is for: --project PROJECT. Only administrators do without.'
    )
  }
  const user = text(call, 'user') ?? name
  const domain = text(call, 'domain') ?? null
  const expires_at = parseExpiry(text(call, 'expires') ?? LIFETIME)
  return { name, user, project, domain, roles, expires_at }
}

function describe({ id, name, project, user, roles, expires_at }: TokenDocument): string {
  const whose = project === null ? 'no project' : `project ${project}`
  const end = expires_at === null ? 'never expires' : `expires ${expires_at}`
  return `token ${name} (${id}): ${whose}, user ${user}, roles ${roles.join(', ')}, ${end}\n`
}

const create: Action = (call, words) => {
  noMore(words)
  const wanted = request(call)
  return async ({ config, registry }) => {
    const { secret, digest } = newTokenSecret()
    const token = await registry.createToken({ id: randomUUID(), digest, ...wanted })
    call.printError(`${describe(token)}Its secret is shown this once and kept nowhere:\n`)
    call.print(
      call.values.json === true
        ? `${JSON.stringify({ ...token, secret }, null, 2)}\n`
        : `${secret}\n`
    )
    const { mode } = config.api.identity
    if (mode !== 'tokens') {
      call.printError(
        `note: api.identity.mode is "${mode}" in this configuration; only mode "tokens" takes it\n`
      )
    }
  }
}

async function allTokens(registry: RegistryClient, revoked: boolean): Promise<TokenDocument[]> {
  const query = { limit: 1000, revoked }
  let page = await registry.listTokens(query)
  const tokens = [...page.tokens]
  while (page.next !== null) {
    page = await registry.listTokens({ ...query, marker: page.next })
    tokens.push(...page.tokens)
  }
  return tokens
}

const list: Action = (call, words) => {
  noMore(words)
  return async ({ registry }) => {
    const tokens = await allTokens(registry, call.values.all === true)
    if (call.values.json === true) {
      call.print(`${JSON.stringify(tokens, null, 2)}\n`)
      return
    }
    const rows = tokens.map((token) => [
      token.name,
      token.project ?? '-',
      token.user ?? '-',
      token.roles.join(','),
      token.state,
      token.expires_at ?? 'never',
      token.last_used_at ?? 'never',
      token.id
    ])
    const titles = ['NAME', 'PROJECT', 'USER', 'ROLES', 'STATE', 'EXPIRES', 'LAST USED', 'ID']
    call.print(table([titles, ...rows]))
  }
}

const revoke: Action = (call, [token, ...more]) => {
  if (token === undefined) throw new UsageError('Say which one: tank token revoke ID or NAME.')
  noMore(more)
  return async ({ config, registry }) => {
    await registry.revokeToken(token)
    const { cacheSeconds } = config.api.identity.tokens
    call.printError(`revoked ${token}; within ${cacheSeconds} s every API process refuses it\n`)
  }
}

const ACTIONS: Readonly<Record<string, Action>> = { create, list, revoke }

export const token = {
  details:
    'create prints the secret of the token to standard output and everything else to standard error:\n' +
    'TOKEN=$(tank token create --name ci --project builds). Only a digest of it is kept. The registry is\n' +
    'the one that the configuration names, else that of the tank serve on the data directory.',
  words: 'create|list|revoke [TOKEN]',
  flags: {
    config: FLAGS.config,
    'data-dir': FLAGS['data-dir'],
    name: { type: 'string', value: 'NAME', help: 'create: how it is called' },
    project: { type: 'string', value: 'PROJECT', help: 'create: whose images it is for' },
    user: { type: 'string', value: 'USER', help: 'create: whom it acts as (its name)' },
    domain: { type: 'string', value: 'DOMAIN', help: 'create: the domain of the project' },
    role: {
      type: 'string',
      multiple: true,
      value: 'ROLE',
      help: `create: ${ROLES.join(', ')}; may be repeated (member)`
    },
    expires: {
      type: 'string',
      value: 'WHEN',
      help: `create: after a span (12h, 90d, 52w), on a date, or never (${LIFETIME})`
    },
    all: { type: 'boolean', help: 'list: revoked ones, too' },
    json: { type: 'boolean', help: 'create, list: JSON' }
  },
  async run(call: CommandCall): Promise<number> {
    const [word = '', ...words] = call.words
    const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined
    if (action === undefined) throw new UsageError('Say tank token create, list or revoke.')
    await withRegistry(call, action(call, words), { mayCreate: true })
    return 0
  }
} as const
