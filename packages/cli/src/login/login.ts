import { resolve } from 'node:path'
import { createTankClient, isTankClientError } from '@tank/client/tank-client'
import {
  type Command,
  type CommandCall,
  CommandError,
  EXIT,
  text,
  UsageError
} from '../command-line.ts'
import {
  CONNECTION_FLAGS,
  type Connection,
  clientOptions,
  DEFAULT_URL,
  tidyUrl
} from '../remote/connection.ts'
import { toCommandError } from '../remote/failures.ts'
import {
  isProfileName,
  type Profile,
  profilesFile,
  readProfiles,
  writeProfiles
} from '../remote/profiles.ts'
import { ask, askSecret, isInteractive } from '../remote/prompt.ts'
import { interruptible } from '../remote/session.ts'

const USUAL_NAME = 'default'
const TRIES = 3
/** More than any token has. */
const LONGEST_TOKEN = 65_536

/** The name of the profile that is made or removed. */
export function chosenName(call: CommandCall, current: string | undefined): string {
  const name = text(call, 'profile') ?? (call.env.TANK_PROFILE || current) ?? USUAL_NAME
  if (!isProfileName(name)) {
    throw new UsageError(`"${name}" is no name of a profile: letters, digits, dots and dashes are.`)
  }
  return name
}

/** Asks the service for something that only those whom it knows get. */
async function isKnown(connection: Connection, signal: AbortSignal): Promise<boolean> {
  const tank = createTankClient(await clientOptions(connection))
  try {
    await tank.list({}, { signal, pageSize: 1 }).next()
    return true
  } catch (error) {
    if (isTankClientError(error) && error.status === 401) return false
    throw toCommandError(error, connection)
  } finally {
    await tank.close()
  }
}

async function readSecret({ streams }: CommandCall): Promise<string> {
  let read = ''
  for await (const chunk of streams.stdin) {
    read += String(chunk)
    if (read.length > LONGEST_TOKEN) break
  }
  return read.trim()
}

/** A way in that the service has taken. */
async function wayIn(
  call: CommandCall,
  connection: Connection,
  signal: AbortSignal
): Promise<Profile> {
  const isPiped = call.values['token-stdin'] === true
  if (!isPiped && (await isKnown(connection, signal))) {
    call.printError('This service lets everyone in; no token is needed.\n')
    return {}
  }
  for (let left = isPiped ? 1 : TRIES; left > 0; left -= 1) {
    const token = isPiped ? await readSecret(call) : await askSecret(call, 'Token', signal)
    if (token === '') continue
    if (/[^\x21-\x7e]/.test(token)) call.printError('No token looks like that.\n')
    else if (await isKnown({ ...connection, token }, signal)) return { token }
    else call.printError(`${connection.url} does not take this token.\n`)
  }
  throw new CommandError(EXIT.refused, 'no token was taken, and nothing was noted.')
}

async function addressOf(call: CommandCall, known: string | undefined, signal: AbortSignal) {
  const said = text(call, 'url')
  if (said !== undefined) return tidyUrl(said)
  const otherwise = known ?? (call.env.TANK_URL || DEFAULT_URL)
  return tidyUrl(
    isInteractive(call) ? await ask(call, 'Service', { otherwise, signal }) : otherwise
  )
}

export const login: Command = {
  details:
    'Asks for the address of a service and for a token, tries them, and notes them in a file that only\n' +
    'you can read. Later commands use what was noted last, or what --profile names. Where nobody is at\n' +
    'a terminal, the token comes from standard input: tank login --token-stdin < FILE.',
  examples: ['tank login', 'tank login --profile lab --url https://images.lab.example'],
  flags: {
    url: CONNECTION_FLAGS.url,
    profile: { ...CONNECTION_FLAGS.profile, help: `how it is to be called (${USUAL_NAME})` },
    cacert: CONNECTION_FLAGS.cacert,
    'token-stdin': { type: 'boolean', help: 'the token is what standard input has' }
  },
  async run(call) {
    if (!isInteractive(call) && call.values['token-stdin'] !== true) {
      throw new UsageError('Nobody is at a terminal to ask: --token-stdin reads the token instead.')
    }
    const { profiles } = await readProfiles(call.env)
    const name = chosenName(call, undefined)
    return await interruptible(async (signal) => {
      const known = Object.hasOwn(profiles, name) ? profiles[name] : undefined
      const url = await addressOf(call, known?.url, signal)
      const given = text(call, 'cacert') ?? call.env.TANK_CACERT
      // what is noted holds from every folder
      const caFile = given ? resolve(given) : undefined
      const connection = {
        url,
        source: 'as given',
        token: undefined,
        tokenSource: undefined,
        caFile
      }
      const profile = {
        url,
        ...(caFile ? { caFile } : {}),
        ...(await wayIn(call, connection, signal))
      }
      const file = await writeProfiles(call.env, {
        profile: name,
        profiles: { ...profiles, [name]: profile }
      })
      call.printError(`${url} is profile ${name} now, noted in ${file}.\n`)
      return EXIT.done
    })
  }
}

export const logout: Command = {
  details: 'Forgets a service and the token for it. The token itself stays valid until it ends.',
  flags: { profile: { ...CONNECTION_FLAGS.profile, help: 'which one (the one noted last)' } },
  async run(call) {
    const { profile: current, profiles } = await readProfiles(call.env)
    const name = chosenName(call, current)
    if (!Object.hasOwn(profiles, name)) {
      throw new UsageError(`There is no profile "${name}" in ${profilesFile(call.env)}.`)
    }
    const rest = Object.fromEntries(Object.entries(profiles).filter(([each]) => each !== name))
    await writeProfiles(call.env, {
      ...(current === undefined || current === name ? {} : { profile: current }),
      profiles: rest
    })
    call.printError(`profile ${name} is forgotten.\n`)
    return EXIT.done
  }
}
