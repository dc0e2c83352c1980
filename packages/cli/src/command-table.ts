import type { Command } from './command-line.ts'

export interface CommandEntry {
  readonly summary: string
  /** Each is loaded when it is called: what looks at images needs nothing of a server. */
  load(): Promise<Command>
}

export interface Section {
  readonly title: string
  /** Flags may stand before their names, too. */
  readonly flagsFirst?: true
  /** Their summaries by name; a name of two words is a command of a family. */
  readonly commands: Readonly<Record<string, CommandEntry>>
}

/** What the first words of commands with two words stand for. */
export const FAMILIES: Readonly<Record<string, string>> = {
  image: 'Lists, shows, makes, changes, shares and deletes images.',
  cache: 'Looks after the cache of a node; administrators only.'
}

/** Every command of the program. */
export const SECTIONS: readonly Section[] = [
  {
    title: 'Work with images',
    commands: {
      push: {
        summary: 'Makes an image of a file or of standard input.',
        load: async () => (await import('./image/push.ts')).pushCommand
      },
      pull: {
        summary: 'Brings the bytes of an image into a file or to standard output.',
        load: async () => (await import('./image/pull.ts')).pull
      },
      inspect: {
        summary: 'Says what a disk image is, and whether it is safe to open.',
        load: async () => (await import('./inspect/inspect.ts')).inspect
      },
      login: {
        summary: 'Notes where a service is, and a token for it.',
        load: async () => (await import('./login/login.ts')).login
      },
      logout: {
        summary: 'Forgets a service and the token for it.',
        load: async () => (await import('./login/login.ts')).logout
      },
      'image list': {
        summary: 'Lists images.',
        load: async () => (await import('./image/list.ts')).list
      },
      'image show': {
        summary: 'Shows all that is known of an image.',
        load: async () => (await import('./image/show.ts')).show
      },
      'image create': {
        summary: 'Makes a record whose bytes come later.',
        load: async () => (await import('./image/create.ts')).create
      },
      'image upload': {
        summary: 'Sends the bytes of an image that waits for them.',
        load: async () => (await import('./image/upload.ts')).upload
      },
      'image download': {
        summary: 'Brings the bytes of an image here, as tank pull does.',
        load: async () => (await import('./image/pull.ts')).pull
      },
      'image set': {
        summary: 'Changes fields and properties.',
        load: async () => (await import('./image/set.ts')).set
      },
      'image delete': {
        summary: 'Deletes images.',
        load: async () => (await import('./image/delete.ts')).deleteCommand
      },
      'image share': {
        summary: 'Lets other projects use an image.',
        load: async () => (await import('./image/share.ts')).share
      },
      'image unshare': {
        summary: 'Ends that.',
        load: async () => (await import('./image/actions.ts')).unshare
      },
      'image members': {
        summary: 'Shows whom an image is shared with.',
        load: async () => (await import('./image/share.ts')).members
      },
      'image accept': {
        summary: 'Takes an image that another project shares.',
        load: async () => (await import('./image/share.ts')).accept
      },
      'image reject': {
        summary: 'Does not take an image that another project shares.',
        load: async () => (await import('./image/share.ts')).reject
      },
      'image tag': {
        summary: 'Adds tags.',
        load: async () => (await import('./image/actions.ts')).tag
      },
      'image untag': {
        summary: 'Removes tags.',
        load: async () => (await import('./image/actions.ts')).untag
      },
      'image import': {
        summary: 'Has the service fetch the bytes of an image.',
        load: async () => (await import('./image/import.ts')).importCommand
      },
      'image copy': {
        summary: 'Copies the bytes of an image to further stores.',
        load: async () => (await import('./image/import.ts')).copy
      },
      'image tasks': {
        summary: 'Shows imports and copies of an image.',
        load: async () => (await import('./image/tasks.ts')).tasks
      },
      'image deactivate': {
        summary: 'Stops downloads of an image for the time being.',
        load: async () => (await import('./image/actions.ts')).deactivate
      },
      'image reactivate': {
        summary: 'Allows downloads again.',
        load: async () => (await import('./image/actions.ts')).reactivate
      },
      stores: {
        summary: 'Lists the stores of a service.',
        load: async () => (await import('./image/stores.ts')).stores
      },
      'cache list': {
        summary: 'Lists what the cache of a node has.',
        load: async () => (await import('./cache/cache.ts')).cacheList
      },
      'cache queue': {
        summary: 'Has images fetched into the cache.',
        load: async () => (await import('./cache/cache.ts')).cacheQueue
      },
      'cache delete': {
        summary: 'Removes an image from the cache.',
        load: async () => (await import('./cache/cache.ts')).cacheDelete
      },
      'cache clear': {
        summary: 'Empties the cache.',
        load: async () => (await import('./cache/cache.ts')).cacheClear
      }
    }
  },
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
      gc: {
        summary: 'Deletes what lies in the stores and belongs to no image; the same as store gc.',
        load: async () => (await import('./commands/store.ts')).gcCommand
      },
      scrub: {
        summary: 'Reads all bytes back and compares them with what the registry says of them.',
        load: async () => (await import('./commands/scrub.ts')).scrub
      },
      restore: {
        summary: 'Brings back deleted images that still wait for it, or lists them.',
        load: async () => (await import('./commands/restore.ts')).restoreCommand
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
  },
  {
    title: 'Classic commands, of the Image API v1',
    flagsFirst: true,
    commands: {
      add: {
        summary: 'Makes an image, with the bytes of standard input.',
        load: async () => (await import('./classic/add.ts')).add
      },
      update: {
        summary: 'Changes an image; its properties become those that are named.',
        load: async () => (await import('./classic/update.ts')).update
      },
      delete: {
        summary: 'Deletes an image.',
        load: async () => (await import('./classic/delete.ts')).deleteCommand
      },
      index: {
        summary: 'Lists images in pages.',
        load: async () => (await import('./classic/list.ts')).index
      },
      details: {
        summary: 'Lists images with all that is known of each.',
        load: async () => (await import('./classic/list.ts')).details
      },
      show: {
        summary: 'Shows an image.',
        load: async () => (await import('./classic/list.ts')).show
      },
      clear: {
        summary: 'Deletes all images.',
        load: async () => (await import('./classic/delete.ts')).clear
      },
      'image-members': {
        summary: 'Shows whom an image is shared with.',
        load: async () => (await import('./classic/members.ts')).imageMembers
      },
      'member-images': {
        summary: 'Shows what is shared with a project.',
        load: async () => (await import('./classic/members.ts')).memberImages
      },
      'member-add': {
        summary: 'Shares an image with a project.',
        load: async () => (await import('./classic/members.ts')).memberAdd
      },
      'member-delete': {
        summary: 'Ends that.',
        load: async () => (await import('./classic/members.ts')).memberDelete
      },
      'members-replace': {
        summary: 'Shares an image with one project and no other.',
        load: async () => (await import('./classic/members.ts')).membersReplace
      },
      'cache-manage': {
        summary: 'Looks after the cache of a node.',
        load: async () => (await import('./classic/cache.ts')).cacheManage
      },
      upload: {
        summary: 'Makes a public image of a file.',
        load: async () => (await import('./classic/upload.ts')).upload
      }
    }
  },
  {
    title: 'Make it comfortable',
    commands: {
      completion: {
        summary: 'Prints a script for the completion of bash, zsh or fish.',
        load: async () => (await import('./completion/completion.ts')).completion
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
