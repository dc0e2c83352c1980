import { readFile } from 'node:fs/promises'
import type { TankClientOptions } from '@tank/client'
import { type CommandCall, type Flag, text, UsageError } from '../command-line.ts'
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

/**
 * Finds the service: the flag, the profile that is named, the environment, the profile that was
 * noted last, this machine. A token of a profile goes to the service of that profile and nowhere
 * else.
 */
export async function connectionOf(call: CommandCall): Promise<Connection> {
  const { env } = call
  const profile = await profileOf(call)
  const places: [url: string | undefined, source: string][] = [
    [text(call, 'url'), '--url'],
    [profile.isNamed ? profile.url : undefined, `profile ${profile.name}`],
    [env.TANK_URL || undefined, 'TANK_URL'],
    [profile.url, `profile ${profile.name}`],
    [DEFAULT_URL, 'the usual address']
  ]
  const [found = DEFAULT_URL, source = ''] = places.find(([url]) => url !== undefined) ?? []
  const url = tidyUrl(found)
  const isOfProfile = profile.url !== undefined && tidyUrl(profile.url) === url
  const [token, tokenSource] = env.TANK_TOKEN
    ? [env.TANK_TOKEN, 'TANK_TOKEN']
    : isOfProfile
      ? [profile.token, `profile ${profile.name}`]
      : []
  const caFile =
    text(call, 'cacert') ??
    (env.TANK_CACERT || (isOfProfile ? profile.caFile : undefined) || env.OS_CACERT || undefined)
  return { url, source, token, tokenSource, caFile }
}

/** What a client of this connection is made from. */
export async function clientOptions({
  url,
  token,
  caFile
}: Connection): Promise<TankClientOptions> {
  return {
    url,
    ...(token === undefined ? {} : { token }),
    ...(caFile === undefined ? {} : { ca: await readCertificates(caFile) })
  }
}

async function readCertificates(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`The certificates of --cacert cannot be read: ${why}.`)
  }
}
