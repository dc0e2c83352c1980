import { buildRegistry, registryConfigSchema } from '@tank/registry'
import { openServerTls, runServer } from '@tank/service'
import { type CommandCall, FLAGS } from '../command-line.ts'
import { readConfig } from '../config.ts'
import { openLog } from '../log.ts'
import { pick } from '../pick.ts'
import { configFile, listenOverrides } from '../places.ts'
import { liveUntilSignal } from '../shutdown.ts'

export const registry = {
  details: 'Several of them may run over one database.',
  flags: {
    host: FLAGS.host,
    port: FLAGS.port,
    config: FLAGS.config,
    'log-level': FLAGS['log-level']
  },
  async run(call: CommandCall): Promise<number> {
    const config = readConfig('registry', {
      file: configFile(call),
      env: call.env,
      overrides: listenOverrides(call, 'registry')
    })
    const { host, port, tls, drainSeconds } = config.registry
    const log = openLog(config.log.level, 'tank-registry')
    await liveUntilSignal(
      async (add) => {
        const app = await buildRegistry(pick(registryConfigSchema, config.registry), {
          logger: log,
          tls: tls && openServerTls(tls, { log })
        })
        const server = await runServer(app, {
          listen: { host, port },
          drainMs: drainSeconds * 1000,
          log
        })
        add(server)
        call.print(`Tank registry at ${server.url}\n`)
      },
      { onStop: () => {}, onHurry: () => {} }
    )
    return 0
  }
}
