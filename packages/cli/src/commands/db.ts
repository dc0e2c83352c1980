import { migrate, migrationStatus } from '@tank/registry'
import { type CommandCall, FLAGS, UsageError } from '../command-line.ts'
import { readConfig } from '../config.ts'
import { openDataDir } from '../data-dir.ts'
import { openLog } from '../log.ts'
import { configFile, dataDirectory } from '../places.ts'
import type { Part } from '../shutdown.ts'
import { openDatabase } from './database.ts'

const ACTIONS: Readonly<Record<string, (url: string) => Promise<string>>> = {
  migrate: async (url) => {
    const applied = await migrate(url)
    if (applied.length === 0) return 'The database is up to date.\n'
    return `Applied ${applied.join(', ')}.\n`
  },
  status: async (url) => {
    const states = await migrationStatus(url)
    return states.map(({ name, appliedAt }) => `${name}  ${appliedAt ?? 'pending'}\n`).join('')
  }
}

export const db = {
  details:
    'Registries migrate by themselves when they start. Without TANK_DATABASE_URL this is about the\n' +
    'database in the data directory, which must not be in use.',
  words: 'migrate|status',
  flags: {
    config: FLAGS.config,
    'data-dir': FLAGS['data-dir'],
    'log-level': FLAGS['log-level']
  },
  async run(call: CommandCall): Promise<number> {
    const [word = '', ...rest] = call.words
    const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined
    if (action === undefined || rest.length > 0) {
      throw new UsageError('Say tank db migrate or tank db status.')
    }
    const config = readConfig('serve', { file: configFile(call), env: call.env })
    const { databaseUrl } = config.registry
    if (databaseUrl !== undefined) {
      call.print(await action(databaseUrl))
      return 0
    }
    const parts: Part[] = []
    try {
      const dataDir = await openDataDir(dataDirectory(call))
      parts.push({ stop: () => dataDir.release() })
      const log = openLog(config.log.level, 'tank')
      const options = { dataDir: dataDir.path, log, env: call.env }
      const { url } = await openDatabase(undefined, options, (part) => parts.push(part))
      call.print(await action(url))
    } finally {
      for (const part of parts.reverse()) await part.stop()
    }
    return 0
  }
}
