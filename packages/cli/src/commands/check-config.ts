import { checkIdentity } from '@tank/api/config'
import { type CommandCall, FLAGS, text, UsageError } from '../command-line.ts'
import { configName, readConfig, schemas } from '../config.ts'
import { refuseOpenService } from '../loopback.ts'
import { configFile } from '../places.ts'

export const checkConfig = {
  details:
    'The environment counts, too. Options of a store are checked by the store when it opens.',
  flags: {
    config: FLAGS.config,
    for: { type: 'string', value: 'COMMAND', help: 'serve, api or registry (serve)' }
  },
  async run(call: CommandCall): Promise<number> {
    const kind = text(call, 'for') ?? 'serve'
    if (!Object.hasOwn(schemas, kind)) throw new UsageError('--for is serve, api or registry.')
    const file = configFile(call)
    const config = readConfig(kind as keyof typeof schemas, { file, env: call.env })
    if (kind !== 'registry' && config.api !== undefined) {
      refuseOpenService(config.api)
      checkIdentity(config.api.identity)
    }
    call.print(`${configName(file)} is valid for tank ${kind}\n`)
    return 0
  }
} as const
