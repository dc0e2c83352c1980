import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import {
  chmod,
  chown,
  mkdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  writeFile
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { dataDirHash } from '../run-dir.ts'
import { type Account, canUse, serverAccount } from './account.ts'
import { type Binaries, SHARED_ROOT, usableBinaries } from './binaries.ts'

/** Where a PostgreSQL of ours lives, and as whom. */
export interface Places {
  readonly account: Account | undefined
  readonly binaries: Binaries
  /** PGDATA. */
  readonly data: string
  /** Sentences for the start-up text about places that one would not expect. */
  readonly notes: readonly string[]
}

const NOTE = 'postgres.location'

function recordedPlace(dataDir: string): string | undefined {
  try {
    const { postgres } = JSON.parse(readFileSync(join(dataDir, NOTE), 'utf8'))
    return typeof postgres === 'string' ? postgres : undefined
  } catch {
    return undefined
  }
}

export function isInitialised(data: string): boolean {
  return existsSync(join(data, 'PG_VERSION'))
}

/** The data is there: refuse what is no database, or one of another PostgreSQL. */
function checkExisting(data: string, binaries: Binaries): void {
  if (!isInitialised(data)) {
    if (existsSync(data) && readdirSync(data).length > 0) {
      throw new Error(`${data} is neither empty nor a PostgreSQL data directory`)
    }
    return
  }
  const found = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  const wanted = binaries.version.split('.')[0]
  if (found !== wanted) {
    throw new Error(
      `${data} was made by PostgreSQL ${found}, this is PostgreSQL ${wanted}. Move the data with ` +
        'pg_dump and pg_restore, or name a PostgreSQL server with TANK_DATABASE_URL.'
    )
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, `${text}\n`, { mode: 0o644 })
  await rename(`${path}.new`, path)
}

/**
 * A data directory that was copied says the same about its database as the original. Only one of
 * them may use it: the one that is written down beside the database, unless that one is gone.
 */
async function claimAway(dataDir: string, data: string): Promise<void> {
  const note = join(dirname(data), 'owner')
  const own = await realpath(dataDir)
  const owner = (await readFile(note, 'utf8').catch(() => '')).trim()
  if (owner === own) return
  if (owner !== '' && recordedPlace(owner) === data) {
    throw new Error(
      `the database in ${data} belongs to the data directory ${owner}. ` +
        `${dataDir} seems to be a copy of it; use another directory.`
    )
  }
  await writeWhole(note, own)
}

/** A folder that the account owns, inside one that it can enter. */
async function ownedFolder(path: string, account: Account | undefined): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
  if (account !== undefined) await chown(path, account.uid, account.gid)
}

/** Decides where the data goes: into the data directory, unless its account cannot work there. */
async function dataPlace(dataDir: string, account: Account | undefined): Promise<string> {
  const near = join(dataDir, 'postgres')
  const recorded = recordedPlace(dataDir)
  if (recorded !== undefined) {
    await claimAway(dataDir, recorded)
    return recorded
  }
  if (account === undefined || isInitialised(near)) return near
  const existed = existsSync(near)
  await ownedFolder(near, account)
  if (canUse(account, near, true)) return near
  if (!existed) await rmdir(near)
  // never the place of an earlier directory with this path, whose images are gone
  const name = `${await dataDirHash(dataDir)}-${randomBytes(3).toString('hex')}`
  const away = join(SHARED_ROOT, name, 'postgres')
  await mkdir(dirname(away), { recursive: true, mode: 0o755 })
  await claimAway(dataDir, away)
  await writeWhole(join(dataDir, NOTE), JSON.stringify({ postgres: away }))
  return away
}

export async function findPlaces(dataDir: string): Promise<Places> {
  const recorded = recordedPlace(dataDir) ?? join(dataDir, 'postgres')
  const account = serverAccount(isInitialised(recorded) ? recorded : undefined)
  const { isCopy, ...binaries } = await usableBinaries(account, SHARED_ROOT)
  const data = await dataPlace(dataDir, account)
  checkExisting(data, binaries)
  if (isInitialised(data) && !canUse(account, data, true)) {
    throw new Error(
      `PostgreSQL cannot use its data in ${data} as ${account?.name ?? 'the current user'}. ` +
        'Start tank as the user that made it.'
    )
  }
  const notes: string[] = []
  if (account !== undefined)
    notes.push(`PostgreSQL runs as ${account.name}, since it refuses root.`)
  if (dirname(data) !== dataDir) {
    notes.push(`Its data lies in ${data}: that account cannot enter ${dataDir}.`)
  }
  if (isCopy) notes.push(`Its programs were copied to ${binaries.folder} for that account.`)
  return { account, binaries, data, notes }
}

/** Makes an empty folder beside the final one, for `initdb`; what an earlier try left is removed. */
export async function freshFolder({ data, account }: Places): Promise<string> {
  const folder = `${data}.new`
  await rm(folder, { recursive: true, force: true })
  await ownedFolder(folder, account)
  return folder
}
