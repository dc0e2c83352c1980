import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { checkIdentity } from '@tank/api/config'
import type { FastifyBaseLogger } from 'fastify'
import { type CommandCall, FLAGS } from '../command-line.ts'
import { readConfig } from '../config.ts'
import { openLog } from '../log.ts'
import { refuseOpenService } from '../loopback.ts'
import { configFile, configFolder, listenOverrides } from '../places.ts'
import { liveUntilSignal, type Part } from '../shutdown.ts'
import { runApi } from '../workers/api-process.ts'
import type { ApiAssignment } from '../workers/messages.ts'
import { recruitWorkers } from '../workers/pool.ts'

/** One process serves by itself; more of them are workers of this one. */
async function startApi(
  assignment: ApiAssignment,
  log: FastifyBaseLogger
): Promise<Part & { readonly url: string }> {
  const { workers } = assignment.config
  if (workers === 1) return await runApi(assignment)
  const pool = recruitWorkers(workers, log)
  try {
    await pool.start(assignment)
  } catch (error) {
    pool.kill()
    throw error
  }
  return pool
}

export const api = {
  details: 'Any number of them may run side by side; they keep nothing on their machine.',
  flags: {
    host: FLAGS.host,
    port: FLAGS.port,
    config: FLAGS.config,
    workers: FLAGS.workers,
    'log-level': FLAGS['log-level']
  },
  async run(call: CommandCall): Promise<number> {
    const file = configFile(call)
    const config = readConfig('api', {
      file,
      env: call.env,
      overrides: listenOverrides(call, 'api')
    })
    refuseOpenService(config.api)
    checkIdentity(config.api.identity)
    const log = openLog(config.log.level, 'tank')
    const assignment: ApiAssignment = {
      config: config.api,
      configFolder: configFolder(file),
      logLevel: config.log.level,
      workerPrefix: `${hostname()}/${randomBytes(6).toString('hex')}`
    }
    await liveUntilSignal(
      async (add) => {
        const running = await startApi(assignment, log)
        add(running)
        call.print(`Tank API at ${running.url}\n`)
      },
      { onStop: () => {}, onHurry: () => {} }
    )
    return 0
  }
}
