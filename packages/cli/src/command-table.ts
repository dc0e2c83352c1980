import type { Command } from './command-line.ts'

export interface CommandEntry {
  readonly summary: string
  /** Each is loaded when it is called: what looks at images needs nothing of a server. */
  load(): Promise<Command>
}

export interface Section {
  readonly title: string
  /** Their summaries by name; a name of two words is a command of a family. */
  readonly commands: Readonly<Record<string, CommandEntry>>
}

/** What the first words of commands with two words stand for. */
export const FAMILIES: Readonly<Record<string, string>> = {}

/** Every command of the program. */
export const SECTIONS: readonly Section[] = [
  {
    title: 'Run a service',
    commands: {
      serve: {
        summary: 'Serves images from this machine alone: API, registry, database and files.',
        load: async () => (await import('./commands/serve.ts')).serve
      },
      api: {
        summary:
          'Runs the image API alone. It needs stores, and a registry: TANK_REGISTRY_URL, _SECRET.',
        load: async () => (await import('./commands/api.ts')).api
      },
      registry: {
        summary: 'Runs the registry alone. It needs TANK_DATABASE_URL and TANK_REGISTRY_SECRET.',
        load: async () => (await import('./commands/registry.ts')).registry
      }
    }
  },
  {
    title: 'Look after a service',
    commands: {
      db: {
        summary: 'Brings the database up to date (migrate) or shows how far it is (status).',
        load: async () => (await import('./commands/db.ts')).db
      },
      store: {
        summary:
          'Looks after the stores: what they hold (list), whether they work (check), orphans (gc).',
        load: async () => (await import('./commands/store.ts')).store
      },
      token: {
        summary:
          'Makes (create), shows (list) and ends (revoke) tokens for identity mode "tokens".',
        load: async () => (await import('./commands/token.ts')).token
      },
      'check-config': {
        summary: 'Checks the configuration and says everything that is wrong with it.',
        load: async () => (await import('./commands/check-config.ts')).checkConfig
      }
    }
  }
]

/** All commands by their names. */
export const COMMANDS: ReadonlyMap<string, CommandEntry> = new Map(
  SECTIONS.flatMap(({ commands }) => Object.entries(commands))
)

/** The commands of a family, by their second words. */
export function familyOf(first: string): ReadonlyMap<string, CommandEntry> {
  const family = [...COMMANDS].filter(([name]) => name.startsWith(`${first} `))
  return new Map(family.map(([name, entry]) => [name.slice(first.length + 1), entry]))
}
