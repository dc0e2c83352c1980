import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'

/** An account of this machine that PostgreSQL runs under. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

interface PasswdEntry extends Account {
  readonly line: string
}

function accounts(): PasswdEntry[] {
  let text = ''
  try {
    text = readFileSync('/etc/passwd', 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid, gid] = line.split(':')
    if (name === '' || name.startsWith('#')) return []
    return [{ line, name, uid: Number(uid), gid: Number(gid) }]
  })
}

/**
 * The account for PostgreSQL, which refuses to run as root: whoever owns the data, else `postgres`,
 * else `nobody`. Undefined when this process is not root: then PostgreSQL runs as we do.
 */
export function serverAccount(existingData: string | undefined): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const known = accounts()
  if (existingData !== undefined) {
    const { uid, gid } = statSync(existingData)
    if (uid !== 0) return known.find((each) => each.uid === uid) ?? { name: `${uid}`, uid, gid }
  }
  for (const name of ['postgres', 'nobody']) {
    const found = known.find((each) => each.name === name && each.uid > 0)
    if (found !== undefined) return found
  }
  throw new Error(
    'PostgreSQL does not run as root, and this machine has neither an account postgres nor nobody. ' +
      'Start tank as an ordinary user, or name a database server with TANK_DATABASE_URL.'
  )
}

/** What `spawn` needs to run a program under an account. */
export function identityOf(account: Account | undefined): { uid?: number; gid?: number } {
  return account === undefined ? {} : { uid: account.uid, gid: account.gid }
}

/** Whether an account can enter a folder (and write there); asked of the system, not guessed. */
export function canUse(account: Account | undefined, folder: string, write: boolean): boolean {
  const test = [write ? '-w' : '-r', folder, '-a', '-x', folder]
  const { status } = spawnSync('test', test, { ...identityOf(account), cwd: '/', stdio: 'ignore' })
  return status === 0
}
