import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigError } from '@tank/service/config-error'

/** A service, and who one is there. */
export interface Profile {
  readonly url?: string
  readonly token?: string
  /** Certificates of authorities to trust beside those of the system, PEM. */
  readonly caFile?: string
}

/** What is kept of the services that somebody uses. */
export interface Profiles {
  /** The profile that is used where none is named. */
  readonly profile?: string
  readonly profiles: Readonly<Record<string, Profile>>
}

type Env = Readonly<Record<string, string | undefined>>

const KEYS = ['url', 'token', 'caFile']
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/

/** Whether a profile can have this name. */
export function isProfileName(name: string): boolean {
  return NAME.test(name)
}

/** Where the profiles lie, by the XDG Base Directory Specification. */
export function profilesFile(env: Env): string {
  const base = env.XDG_CONFIG_HOME?.startsWith('/') ? env.XDG_CONFIG_HOME : undefined
  return join(base ?? join(env.HOME || homedir(), '.config'), 'tank', 'config.yaml')
}

type Tree = Readonly<Record<string, unknown>>
const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Says everything that is wrong; a schema compiler would cost each command more than the rest of it. */
function faultsOf(value: unknown): string[] {
  if (!isTree(value)) return ['/: must be a map']
  const faults: string[] = []
  const { profile, profiles = {}, ...rest } = value
  for (const key of Object.keys(rest)) faults.push(`/${key}: unknown key`)
  if (profile !== undefined && typeof profile !== 'string') faults.push('/profile: must be a name')
  if (!isTree(profiles)) return [...faults, '/profiles: must be a map']
  for (const [name, entry] of Object.entries(profiles)) {
    if (!NAME.test(name)) faults.push(`/profiles/${name}: is no name of a profile`)
    if (!isTree(entry)) {
      faults.push(`/profiles/${name}: must be a map`)
      continue
    }
    for (const [key, text] of Object.entries(entry)) {
      if (!KEYS.includes(key)) faults.push(`/profiles/${name}/${key}: unknown key`)
      else if (typeof text !== 'string') faults.push(`/profiles/${name}/${key}: must be text`)
    }
  }
  return faults
}

function isProfiles(value: unknown): value is Profiles {
  return faultsOf(value).length === 0
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Reads the profiles. Rejects what others could read or have written: there are secrets in it. */
export async function readProfiles(env: Env): Promise<Profiles> {
  const file = profilesFile(env)
  const content = await readText(file)
  if (content === undefined) return { profiles: {} }
  if (process.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0) {
    throw new Error(
      `others can read ${file}, which has secrets in it. Close it: chmod 600 '${file}'`
    )
  }
  const { parseDocument } = await import('yaml')
  const document = parseDocument(content)
  // the text around a mistake may be a secret
  const [mistake] = document.errors
  if (mistake !== undefined) {
    throw new ConfigError([`${file}: line ${mistake.linePos?.[0].line ?? 1} is no YAML`])
  }
  const value: unknown = { profiles: {}, ...(document.toJS() ?? {}) }
  if (!isProfiles(value)) throw new ConfigError(faultsOf(value).map((each) => `${each} (${file})`))
  return value
}

/** Writes the profiles, for their owner alone; the file is the old one or the new one, never half. */
export async function writeProfiles(env: Env, profiles: Profiles): Promise<string> {
  const file = profilesFile(env)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const { stringify } = await import('yaml')
  const draft = `${file}.${process.pid}.new`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(`# Written by tank login.\n${stringify(profiles)}`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  try {
    await chmod(draft, 0o600)
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  return file
}
