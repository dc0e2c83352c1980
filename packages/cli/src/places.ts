import { dirname, resolve } from 'node:path'
import { type CommandCall, integer, text } from './command-line.ts'

export function configFile(call: CommandCall): string | undefined {
  return text(call, 'config') ?? (call.env.TANK_CONFIG || undefined)
}

/** The folder from which the packages of the configuration are looked for. */
export function configFolder(file: string | undefined): string {
  return file === undefined ? process.cwd() : dirname(resolve(file))
}

export function dataDirectory(call: CommandCall): string {
  return resolve(text(call, 'data-dir') ?? (call.env.TANK_DATA_DIR || 'tank-data'))
}

/** What the flags `--host`, `--port`, `--workers` and `--log-level` change in the configuration. */
export function listenOverrides(call: CommandCall, section: 'api' | 'registry'): object {
  const chosen = {
    host: text(call, 'host'),
    port: integer(call, 'port'),
    workers: integer(call, 'workers')
  }
  const level = text(call, 'log-level')
  const given = Object.entries(chosen).filter(([, value]) => value !== undefined)
  return {
    [section]: Object.fromEntries(given),
    ...(level === undefined ? {} : { log: { level } })
  }
}
