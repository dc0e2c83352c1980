import { readFile } from 'node:fs/promises'
import type { Auth, TankClientOptions } from '@tank/client'
import { type CommandCall, type Flag, text, UsageError } from '../command-line.ts'
import { type OpenStack, openStackOf } from './openstack.ts'
import { type Profile, profilesFile, readProfiles } from './profiles.ts'

export const DEFAULT_URL = 'http://127.0.0.1:9292'

export const CONNECTION_FLAGS = {
  url: { type: 'string', value: 'URL', help: `the service (TANK_URL; ${DEFAULT_URL})` },
  profile: {
    type: 'string',
    value: 'NAME',
    help: 'a service that tank login has noted (TANK_PROFILE)'
  },
  cacert: {
    type: 'string',
    value: 'FILE',
    help: 'certificates to trust beside those of the system (TANK_CACERT)'
  },
  quiet: { type: 'boolean', short: 'q', help: 'no progress and no notes' }
} as const satisfies Record<string, Flag>

/** Where a service is, and who one is there. */
export interface Connection {
  readonly url: string
  /** Where the address is from, for people: `TANK_URL`. */
  readonly source: string
  readonly token: string | undefined
  /** Where the token is from, for people. */
  readonly tokenSource: string | undefined
  /** What gives tokens instead. */
  readonly auth?: Auth | undefined
  readonly caFile: string | undefined
}

interface NamedProfile extends Profile {
  readonly name: string | undefined
  /** Whether it was asked for by its name. */
  readonly isNamed: boolean
}

async function profileOf(call: CommandCall): Promise<NamedProfile> {
  const asked = text(call, 'profile') ?? (call.env.TANK_PROFILE || undefined)
  const { profile, profiles } = await readProfiles(call.env)
  const name = asked ?? profile
  if (name === undefined) return { name, isNamed: false }
  if (!Object.hasOwn(profiles, name)) {
    const known = Object.keys(profiles).join(', ') || 'none'
    throw new UsageError(
      `There is no profile "${name}" in ${profilesFile(call.env)}; it has ${known}. ` +
        `tank login --profile ${name} makes it.`
    )
  }
  return { ...profiles[name], name, isNamed: asked !== undefined }
}

/** An address without what makes no difference. */
export function tidyUrl(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`"${url}" is no address of a service, such as ${DEFAULT_URL}.`)
  }
  const { username, password } = new URL(url)
  if (username !== '' || password !== '') {
    throw new UsageError('An address has no user and password in it. tank login asks for them.')
  }
  return url.replace(/\/+$/, '')
}

interface Place {
  readonly url: string
  readonly source: string
}

/** Where the environment of OpenStack says that the service is. */
async function placeOf({ url, endpoint, token, auth }: OpenStack): Promise<Place | undefined> {
  if (url !== undefined) return { url, source: 'OS_ENDPOINT' }
  if (endpoint !== undefined) return { url: await endpoint(), source: 'the catalogue' }
  if (token === undefined && auth === undefined) return undefined
  const who = token === undefined ? 'An identity service without a catalogue' : 'OS_TOKEN'
  throw new UsageError(`${who} does not say where the service is. OS_ENDPOINT or TANK_URL does.`)
}

async function findPlace(
  call: CommandCall,
  profile: NamedProfile,
  openStack: OpenStack | undefined
): Promise<Place> {
  const flag = text(call, 'url')
  if (flag !== undefined) return { url: flag, source: '--url' }
  const noted = profile.url && { url: profile.url, source: `profile ${profile.name}` }
  if (noted && profile.isNamed) return noted
  if (call.env.TANK_URL) return { url: call.env.TANK_URL, source: 'TANK_URL' }
  const there = openStack && (await placeOf(openStack))
  return there ?? (noted || { url: DEFAULT_URL, source: 'the usual address' })
}

/** An address of the Image API v2 without the version. */
const withoutVersion = (url: string) => url.replace(/\/+$/, '').replace(/\/v\d+(\.\d+)?$/, '')

/**
 * Finds the service: the flag, the profile that is named, the environment of Tank, that of OpenStack,
 * the profile that was noted last, this machine. A token of a profile goes to the service of that
 * profile and nowhere else; `withoutNoted`: not even there.
 */
export async function connectionOf(
  call: CommandCall,
  { withoutNoted = false }: { readonly withoutNoted?: boolean } = {}
): Promise<Connection> {
  const { env } = call
  const profile = await profileOf(call)
  const given = text(call, 'cacert') ?? (env.TANK_CACERT || undefined)
  const openStack = profile.isNamed
    ? undefined
    : await openStackOf(env, await readable(given ?? (env.X7_CACERT || env.OS_CACERT || undefined)))
  const place = await findPlace(call, profile, openStack)
  const url = withoutVersion(tidyUrl(place.url))
  const { source } = place
  const isOfProfile = profile.url !== undefined && withoutVersion(tidyUrl(profile.url)) === url
  const profileFile = isOfProfile ? profile.caFile : undefined
  const caFile = given ?? profileFile ?? (env.X7_CACERT || env.OS_CACERT || undefined)
  const isOfOpenStack = source === 'OS_ENDPOINT' || source === 'the catalogue'
  const where = { url, source, caFile, token: undefined, tokenSource: undefined }
  if (env.TANK_TOKEN) return { ...where, token: env.TANK_TOKEN, tokenSource: 'TANK_TOKEN' }
  if (isOfProfile && profile.token !== undefined && !isOfOpenStack && !withoutNoted) {
    return { ...where, token: profile.token, tokenSource: `profile ${profile.name}` }
  }
  if (openStack?.token !== undefined) {
    return { ...where, token: openStack.token, tokenSource: 'OS_TOKEN' }
  }
  if (openStack?.auth === undefined) return where
  return { ...where, tokenSource: 'OS_AUTH_URL', auth: openStack.auth }
}

/** The name of a file that can be read. */
async function readable(file: string | undefined): Promise<string | undefined> {
  if (file !== undefined) await readCertificates(file)
  return file
}

/** What a client of this connection is made from. */
export async function clientOptions({
  url,
  token,
  auth,
  caFile
}: Connection): Promise<TankClientOptions> {
  return {
    url,
    light: true,
    ...(token === undefined ? {} : { token }),
    ...(auth === undefined ? {} : { auth }),
    ...(caFile === undefined ? {} : { ca: await readCertificates(caFile) })
  }
}

async function readCertificates(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`The certificates of --cacert or its variables cannot be read: ${why}.`)
  }
}
