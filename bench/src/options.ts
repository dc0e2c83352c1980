import { parseArgs } from 'node:util'
import { createTankClient, type TankClient } from '@tank/client'
import type { GroupRoots } from './proc.ts'
import { type Endpoint, toEndpoint } from './wire.ts'

const SECTIONS = ['upload', 'download', 'create', 'show', 'list', 'walk'] as const
type Section = (typeof SECTIONS)[number]

/** A server that is measured. */
export interface Target {
  readonly name: string
  readonly url: string
  readonly roots: GroupRoots
  readonly endpoint: Endpoint
  readonly client: TankClient
}

export interface Options {
  readonly part: 'load' | 'pages' | 'memory' | 'stores' | 'startup' | 'inspection'
  readonly targets: readonly Target[]
  readonly sections: ReadonlySet<Section>
  /** Sizes of the catalogue. */
  readonly sizes: readonly number[]
  /** Sizes of images, in MiB. */
  readonly mib: readonly number[]
  readonly reps: number
  readonly seconds: number
  /** Names of stores, and commands of tools that move the same bytes to and from them. */
  readonly stores: readonly StoreTools[]
  /** The registry's database, for the pages. */
  readonly database: string | undefined
  /** Folder of images to inspect. */
  readonly inspect: string | undefined
  readonly out: string | undefined
  readonly results: string | undefined
}

/** A store of the first target, beside the tool that people would use. */
export interface StoreTools {
  readonly name: string
  /** Shell command that uploads `$FILE`. */
  readonly upload: string | undefined
  /** Shell command that writes what was uploaded to its standard output. */
  readonly download: string | undefined
}

export const HELP = `Measures image services that speak the Image API v2.

  npm run bench -- --target NAME=URL[,pid=N][,db=N][,token=T] [--target ...]

  --target    repeatable; pid: root of the server's processes, db: root of its database's, when
              that is not among them. All targets are measured in turn, in one run. Ratios compare
              the first target with each of the others.
  --sections  of the load: ${SECTIONS.join(',')} (all)
  --sizes     catalogue sizes (load: 1000,10000; pages: 1000,100000,1000000)
  --mib       image sizes in MiB (load: 1024; memory: 1024,20480)
  --reps      runs of everything (3)
  --seconds   length of one run of small requests (5)
  --header    "name: value" of every request, repeatable
  --out       writes all figures as JSON to this file
  --results   the Markdown file to write the tables to; "none" for no file (bench/RESULTS.md)

  --pages     instead: fills the registry's database and measures pages of the catalogue at each
              size, through the first target
  --database  URL of that database; everything in its tables of images is replaced
  --store     instead: NAME of a store of the first target, repeatable; moves an image through it
  --tool      NAME.upload=COMMAND or NAME.download=COMMAND of a tool beside it, repeatable; the one
              uploads $FILE, the other writes it to standard output
  --memory    instead: memory of the first target's processes while images are uploaded
  --startup   instead: CPU time of short commands against the first target (20 runs)
  --inspect   instead: DIR with images; what it costs to inspect them as they pass, without a target
`

/** Reads the command line; undefined when it asks for help. Throws an Error that says what is wrong. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      target: { type: 'string', multiple: true },
      header: { type: 'string', multiple: true },
      sections: { type: 'string' },
      sizes: { type: 'string' },
      mib: { type: 'string' },
      reps: { type: 'string' },
      seconds: { type: 'string', default: '5' },
      pages: { type: 'boolean', default: false },
      memory: { type: 'boolean', default: false },
      startup: { type: 'boolean', default: false },
      inspect: { type: 'string' },
      store: { type: 'string', multiple: true },
      tool: { type: 'string', multiple: true },
      database: { type: 'string' },
      out: { type: 'string' },
      results: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return undefined
  if (values.pages && values.memory) throw new Error('--pages and --memory are two runs')
  if (values.target === undefined && values.inspect === undefined)
    throw new Error('--target is missing; --help says more')
  if (values.pages && values.database === undefined) throw new Error('--pages needs --database')
  const part = partOf(values)
  const headers = Object.fromEntries((values.header ?? []).map(readHeader))
  return {
    part,
    targets: (values.target ?? []).map((text) => readTarget(text, headers)),
    sections: readSections(values.sections),
    sizes: readNumbers(values.sizes ?? (values.pages ? '1000,100000,1000000' : '1000,10000')),
    mib: readNumbers(values.mib ?? (values.memory ? '1024,20480' : '1024')),
    reps: readNumber(values.reps ?? (part === 'startup' ? '20' : '3')),
    seconds: readNumber(values.seconds),
    stores: readStores(values.store ?? [], values.tool ?? []),
    database: values.database,
    inspect: values.inspect,
    out: values.out,
    results: values.results
  }
}

function partOf({
  pages,
  memory,
  startup,
  store,
  inspect
}: {
  readonly pages: boolean
  readonly memory: boolean
  readonly startup: boolean
  readonly store?: readonly string[] | undefined
  readonly inspect?: string | undefined
}): Options['part'] {
  if (pages) return 'pages'
  if (memory) return 'memory'
  if (startup) return 'startup'
  if (inspect !== undefined) return 'inspection'
  return store === undefined ? 'load' : 'stores'
}

function readTarget(text: string, common: Readonly<Record<string, string>>): Target {
  const match = /^([^=,]+)=(http:[^,]+)((?:,[a-z]+=[^,]*)*)$/.exec(text)
  const [, name, url, rest = ''] = match ?? []
  if (name === undefined || url === undefined) {
    throw new Error(`--target ${text}: NAME=http://HOST:PORT,pid=N is expected`)
  }
  const extra = new Map(rest.split(',').map((part) => readPair(part, '=')))
  for (const key of extra.keys()) {
    if (!['', 'pid', 'db', 'token'].includes(key)) throw new Error(`--target: unknown ${key}`)
  }
  const token = extra.get('token')
  const headers = { ...common, ...(token === undefined ? {} : { 'x-auth-token': token }) }
  const number = (key: string) => (extra.has(key) ? readNumber(extra.get(key)) : undefined)
  return {
    name,
    url,
    roots: { pid: number('pid'), db: number('db') },
    endpoint: toEndpoint(url, headers),
    client: createTankClient({ url, headers, retries: 0, timeoutMs: 120_000 })
  }
}

function readStores(names: readonly string[], tools: readonly string[]): StoreTools[] {
  const commands = new Map(tools.map((text) => readPair(text, '=')))
  for (const key of commands.keys()) {
    const [name = '', kind = ''] = readPair(key, '.')
    if (!names.includes(name) || !['upload', 'download'].includes(kind)) {
      throw new Error(`--tool ${key}: NAME.upload or NAME.download of a --store is expected`)
    }
  }
  return names.map((name) => ({
    name,
    upload: commands.get(`${name}.upload`),
    download: commands.get(`${name}.download`)
  }))
}

function readPair(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

function readHeader(text: string): [string, string] {
  const [name, value] = readPair(text, ':')
  return [name.trim().toLowerCase(), value.trim()]
}

function readSections(text: string | undefined): ReadonlySet<Section> {
  if (text === undefined) return new Set(SECTIONS)
  return new Set(
    text.split(',').map((name) => {
      const section = SECTIONS.find((known) => known === name)
      if (section === undefined) throw new Error(`--sections: ${name} is none of ${SECTIONS}`)
      return section
    })
  )
}

function readNumbers(text: string): number[] {
  return text.split(',').map(readNumber)
}

function readNumber(text: string | undefined): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) throw new Error(`${text} is no number above 0`)
  return number
}
