import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import type { Test } from 'tap'

/** With `TANK_TEST_REQUIRE=all` nothing may be skipped: what is missing fails the test. */
export const isRequired = process.env.TANK_TEST_REQUIRE === 'all'

/** The long form of tests that have a short one (`npm run test:soak`). */
export const isSoak = process.env.TANK_TEST_SOAK === '1'

/** What a test needs from the machine: undefined when it is there, else the reason why it is not. */
export type Missing = string | undefined

export function missingVariable(name: string, from: string): Missing {
  return process.env[name] ? undefined : `${name} is not set (${from})`
}

/** `name`: of a command in `PATH`, or its whole path. */
export function missingCommand(name: string): Missing {
  const folders = isAbsolute(name) ? ['/'] : (process.env.PATH ?? '').split(delimiter)
  for (const folder of folders) {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return undefined
    } catch {
      // the next folder
    }
  }
  return `the command ${name} is not installed`
}

export function missingRoot(): Missing {
  return process.getuid?.() === 0 ? undefined : 'this test has to run as root'
}

/** A test that is skipped aloud while something is missing. */
export async function testWith(
  t: Test,
  name: string,
  needs: readonly Missing[],
  body: (t: Test) => Promise<void>
): Promise<void> {
  const missing = needs.filter((need) => need !== undefined).join('; ')
  if (missing === '') await t.test(name, body)
  else if (isRequired) await t.test(name, async (t) => void t.fail(`needed here: ${missing}`))
  else await t.test(name, { skip: missing }, async () => {})
}
