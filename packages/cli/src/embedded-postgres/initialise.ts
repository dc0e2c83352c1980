import { spawn } from 'node:child_process'
import { open, rename, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { identityOf } from './account.ts'
import { freshFolder, type Places } from './places.ts'

export const ROLE = 'tank'
export const DATABASE = 'tank'

interface RunOptions {
  readonly input?: string
}

/** Environment of PostgreSQL's programs: nothing of ours, so no secret and no PG* variable. */
export const PROGRAM_ENV = { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' }

function run(
  places: Places,
  program: string,
  args: readonly string[],
  cwd: string,
  options: RunOptions = {}
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(places.binaries.folder, 'bin', program), args, {
      ...identityOf(places.account),
      cwd,
      env: PROGRAM_ENV,
      stdio: ['pipe', 'pipe', 'pipe'],
      // Ctrl-C of a terminal must not leave half a database; it is redone, but that takes time
      detached: true
    })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`${program} failed (${code}): ${output.trim().slice(-2000)}`))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/**
 * Makes the database. All of it happens in a folder of another name, which gets its final name as
 * the last step: what was interrupted half-way is never taken for a database.
 */
export async function initialise(places: Places, durable: boolean): Promise<void> {
  const folder = await freshFolder(places)
  await run(
    places,
    'initdb',
    [
      ...['-D', folder, '-U', ROLE, '-A', 'trust', '-E', 'UTF8', '--locale=C'],
      ...['--no-instructions', ...(durable ? [] : ['--no-sync'])]
    ],
    folder
  )
  await run(
    places,
    'postgres',
    ['--single', '-D', folder, ...(durable ? [] : ['-F']), 'postgres'],
    folder,
    { input: `CREATE DATABASE ${DATABASE}\n` }
  )
  await rmdir(places.data).catch(() => {})
  await rename(folder, places.data)
  const parent = await open(dirname(places.data), 'r')
  try {
    await parent.sync()
  } finally {
    await parent.close()
  }
}
