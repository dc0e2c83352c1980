import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { command, type Outcome } from './command.ts'

/** The folder of the repository. */
const repository = fileURLToPath(new URL('../../../', import.meta.url))

interface Service {
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
}

/** `${NAME:-default}` as docker compose resolves it when nothing is set. */
function withDefaults(text: string): string {
  return text.replace(/\$\{\w+:-([^}]*)\}/g, '$1')
}

/** The services of the compose file, variables replaced by their defaults. */
export function composeServices(): Record<string, Service> {
  const text = withDefaults(readFileSync(`${repository}docker-compose.yml`, 'utf8'))
  return parse(text, { merge: true }).services
}

/** `docker compose` for one project of its own. */
export function compose(project: string, env: Readonly<Record<string, string>>) {
  return (args: readonly string[], timeoutMs = 120_000): Promise<Outcome> =>
    command('docker', ['compose', '-p', project, ...args], {
      cwd: repository,
      env: { ...process.env, ...env },
      timeoutMs
    })
}
