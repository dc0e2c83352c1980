import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { identityAt } from './cloud.ts'
import { command } from './command.ts'
import { freePort, tempFolder } from './tank.ts'

const script = fileURLToPath(new URL('../../servers/keystone.sh', import.meta.url))

/** A real Keystone of one test, which may stop it. It keeps its users and tokens while it is stopped. */
export async function openKeystone(t: Test) {
  const folder = await tempFolder(t)
  const port = String(await freePort())
  const run = async (action: 'start' | 'stop', tokenSeconds = 3600) => {
    const env = {
      ...process.env,
      KEYSTONE_PORT: port,
      KEYSTONE_PROCESSES: '1',
      // made anew it would take much longer
      KEYSTONE_FROM: process.env.TANK_TEST_KEYSTONE_DIR ?? '',
      KEYSTONE_TOKEN_SECONDS: String(tokenSeconds)
    }
    const { code, stderr } = await command(script, [action, folder], { env, timeoutMs: 240_000 })
    if (code !== 0) throw new Error(`keystone.sh ${action}: ${stderr}`)
  }
  t.teardown(() => run('stop'))
  await run('start')
  const url = `http://127.0.0.1:${port}/v3`
  return {
    url,
    ...identityAt(url),
    stop: () => run('stop'),
    /** Tokens that are given from now on live so long. */
    start: (tokenSeconds?: number) => run('start', tokenSeconds)
  }
}
