import { StoreError } from '@tank/store'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import { answerError, isTransient } from './errors.ts'
import type { Credentials, Settings } from './options.ts'
import { askedWait, Patience } from './patience.ts'
import type { Session } from './session.ts'
import type { HttpAnswer, HttpRequest, Transport } from './transport.ts'

const WHAT = 'authentication'

/** Asks for a token, and again while the server says "later". */
export async function login(settings: Settings, transport: Transport): Promise<Session> {
  const { credentials } = settings
  const request =
    credentials.version === 1 ? v1Request(settings.authUrl, credentials) : v3Request(settings)
  const patience = new Patience(settings.maxAttempts)
  for (;;) {
    let asked: ReturnType<typeof askedWait> | undefined
    try {
      const answer = await transport.send(request, undefined)
      if (answer.status < 300) {
        return credentials.version === 1
          ? await v1Session(answer, settings)
          : await v3Session(answer, settings)
      }
      // The server's words are left out: some repeat what they were asked.
      await answer.body.skip()
      if (isTransient(answer.status)) asked = askedWait(answer.header('retry-after'))
      throw refusal(answer.status, settings)
    } catch (error) {
      await patience.next(error, undefined, asked)
    }
  }
}

function refusal(status: number, { authUrl }: Settings): StoreError {
  if (status === 401 || status === 403) {
    const hint = 'check user and key, or username, password, project and domains'
    const message = `${authUrl.host} does not accept the credentials (${status}): ${hint}`
    return new StoreError('DENIED', message)
  }
  if (status === 404) {
    return new StoreError('FAILED', 'there is no authentication at authUrl (404): check its path')
  }
  return answerError(status, '', WHAT)
}

function v1Request(url: URL, credentials: Credentials & { version: 1 }): HttpRequest {
  const { user, key } = credentials
  return { method: 'GET', url, headers: { 'x-auth-user': user, 'x-auth-key': key } }
}

async function v1Session(answer: HttpAnswer, settings: Settings): Promise<Session> {
  await answer.body.skip()
  const token = answer.header('x-auth-token')
  const address = answer.header('x-storage-url')
  if (token === undefined || (address === undefined && settings.storageUrl === undefined)) {
    throw new StoreError('FAILED', 'the server at authUrl gave no token or no storage URL')
  }
  const seconds = Number(answer.header('x-auth-token-expires'))
  const storageUrl = settings.storageUrl ?? accountUrl(address)
  return { token, storageUrl, lifetime: seconds > 0 ? seconds * 1_000 : undefined }
}

function v3Request({ authUrl, credentials }: Settings): HttpRequest {
  const url = new URL(authUrl)
  const path = url.pathname.replace(/\/+$/, '')
  url.pathname = `${path.endsWith('/v3') ? path : `${path}/v3`}/auth/tokens`
  const body = Buffer.from(JSON.stringify({ auth: v3Auth(credentials) }))
  return { method: 'POST', url, headers: { 'content-type': 'application/json' }, body }
}

function v3Auth(credentials: Credentials): object {
  if (credentials.version !== 3) return {}
  if (credentials.kind === 'application') {
    const { id, secret } = credentials
    return {
      identity: { methods: ['application_credential'], application_credential: { id, secret } }
    }
  }
  const { username, password, userDomain, project, projectDomain } = credentials
  const user = { name: username, domain: { name: userDomain }, password }
  return {
    identity: { methods: ['password'], password: { user } },
    scope: { project: { name: project, domain: { name: projectDomain } } }
  }
}

const endpoint = Type.Object({
  interface: Type.String(),
  url: Type.String(),
  region: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  region_id: Type.Optional(Type.Union([Type.String(), Type.Null()]))
})
const service = Type.Object({ type: Type.String(), endpoints: Type.Array(endpoint) })
const grant = Type.Object({
  token: Type.Object({
    issued_at: Type.Optional(Type.String()),
    expires_at: Type.Optional(Type.String()),
    catalog: Type.Optional(Type.Array(service))
  })
})

async function v3Session(answer: HttpAnswer, settings: Settings): Promise<Session> {
  const token = answer.header('x-subject-token')
  // Catalogues of large clouds have hundreds of entries.
  const given = parse(await answer.body.text(4 * 1024 * 1024))
  if (token === undefined || !Value.Check(grant, given)) {
    throw new StoreError('FAILED', 'the server at authUrl does not speak the Identity API v3')
  }
  const { issued_at: from = '', expires_at: to = '', catalog = [] } = given.token
  const lifetime = Date.parse(to) - (Date.parse(from) || Date.now())
  const storageUrl = settings.storageUrl ?? objectStore(catalog, settings)
  return { token, storageUrl, lifetime: lifetime > 0 ? lifetime : undefined }
}

function objectStore(catalog: readonly Static<typeof service>[], settings: Settings): URL {
  const { region, interface: wanted } = settings
  const all = catalog
    .filter(({ type }) => type === 'object-store')
    .flatMap(({ endpoints }) => endpoints)
    .filter((each) => each.interface === wanted || each.interface === `${wanted}URL`)
  const regionOf = (each: Static<typeof endpoint>) => each.region_id ?? each.region ?? ''
  const fitting = all.filter((each) => region === undefined || regionOf(each) === region)
  const regions = [...new Set(all.map(regionOf))].sort().join(', ')
  if (fitting.length === 0) {
    const where = region === undefined ? '' : ` in region ${region}`
    const known = regions === '' ? '' : ` (there is one in ${regions})`
    const message = `the project has no ${wanted} object store${where}${known}`
    throw new StoreError('DENIED', `${message}: check region and interface, or give storageUrl`)
  }
  if (new Set(fitting.map(regionOf)).size > 1) {
    throw new StoreError('DENIED', `there are several object stores: set region, one of ${regions}`)
  }
  return accountUrl(fitting[0]?.url)
}

function accountUrl(address: string | undefined): URL {
  if (address !== undefined && /^https?:/.test(address) && URL.canParse(address)) {
    const url = new URL(address)
    url.pathname = url.pathname.replace(/\/+$/, '')
    return url
  }
  throw new StoreError('FAILED', 'the server gave no storage URL that can be used')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
