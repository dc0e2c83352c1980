import { createHash } from 'node:crypto'
import { chmod, chown, lstat, mkdir, realpath, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MAX_SOCKET_PATH } from '@tank/service'

/** Folders for Unix sockets, each open to one account only. */
export interface RunDir {
  /** Sockets of this process. */
  readonly own: string
  /** Sockets of PostgreSQL. */
  readonly postgres: string
  remove(): Promise<void>
}

// the longest name that is put into such a folder
const LONGEST_NAME = '/.s.PGSQL.5432.lock'

/** Short, stable name of a data directory. */
export async function dataDirHash(dataDir: string): Promise<string> {
  return createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 12)
}

/**
 * Makes a folder that only its owner can enter, or checks the one that is there: in a place where
 * everyone may write, somebody else may have been faster.
 */
export async function privateFolder(path: string, uid: number, gid?: number): Promise<void> {
  const own = process.getuid?.() ?? uid
  try {
    await mkdir(path, { mode: 0o700 })
    if (uid !== own) await chown(path, uid, gid ?? uid)
    return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const found = await lstat(path)
  if (!found.isDirectory()) throw new Error(`${path} is there and is no folder`)
  if (found.uid !== uid) {
    // as root we may hand our own folder over, never take somebody else's
    if (own !== 0 || found.uid !== 0) {
      throw new Error(`${path} belongs to another account (uid ${found.uid})`)
    }
    await chown(path, uid, gid ?? uid)
  }
  if ((found.mode & 0o077) !== 0) await chmod(path, 0o700)
}

async function isOwnFolder(path: string, uid: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found?.isDirectory() === true && found.uid === uid && (found.mode & 0o022) === 0
}

/** The folder that the run directories of this account lie in. */
async function baseFolder(env: NodeJS.ProcessEnv, uid: number): Promise<string> {
  if (env.TANK_RUN_DIR) {
    await mkdir(env.TANK_RUN_DIR, { recursive: true, mode: 0o711 })
    return env.TANK_RUN_DIR
  }
  if (uid === 0 && (await isOwnFolder('/run', 0))) {
    await mkdir('/run/tank', { mode: 0o755, recursive: true })
    if (await isOwnFolder('/run/tank', 0)) return '/run/tank'
  }
  const { XDG_RUNTIME_DIR: runtime } = env
  if (uid !== 0 && runtime && (await isOwnFolder(runtime, uid))) {
    const base = join(runtime, 'tank')
    await privateFolder(base, uid)
    return base
  }
  const base = join(tmpdir(), `tank-${uid}`)
  await privateFolder(base, uid)
  // the account of PostgreSQL has to pass through
  if (uid === 0) await chmod(base, 0o711)
  return base
}

export interface RunDirOptions {
  readonly dataDir: string
  /** The account of PostgreSQL, when it is not our own. */
  readonly postgres?: { readonly uid: number; readonly gid: number } | undefined
  readonly env: NodeJS.ProcessEnv
}

/** The run directory of a data directory: always the same one, short, closed to other accounts. */
export async function openRunDir(options: RunDirOptions): Promise<RunDir> {
  const uid = process.getuid?.() ?? 0
  const base = await baseFolder(options.env, uid)
  const own = join(base, await dataDirHash(options.dataDir))
  const postgres = `${own}-pg`
  if (Buffer.byteLength(postgres + LONGEST_NAME) > MAX_SOCKET_PATH) {
    throw new Error(
      `sockets in ${postgres} would have paths of more than ${MAX_SOCKET_PATH} bytes, which the ` +
        'system cuts. Name a short folder with TANK_RUN_DIR.'
    )
  }
  await privateFolder(own, uid)
  await privateFolder(postgres, options.postgres?.uid ?? uid, options.postgres?.gid)
  return {
    own,
    postgres,
    remove: async () => {
      await rmdir(own).catch(() => {})
      // a server that was ended at once may have left its socket
      await rm(postgres, { recursive: true, force: true }).catch(() => {})
    }
  }
}
