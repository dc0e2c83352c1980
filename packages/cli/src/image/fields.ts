import type { ContainerFormat, DiskFormat, Visibility } from '@tank/client'
import { type CommandCall, type Flag, integer, text, texts, UsageError } from '../command-line.ts'

const DISK_FORMATS = [
  'raw',
  'qcow2',
  'vmdk',
  'vhd',
  'vhdx',
  'vdi',
  'iso',
  'ploop',
  'ami',
  'ari',
  'aki',
  'auto'
]
const CONTAINER_FORMATS = ['bare', 'ovf', 'ova', 'docker', 'compressed', 'ami', 'ari', 'aki']
const VISIBILITIES = ['private', 'shared', 'community', 'public']

/** What can be said of an image, when it is made and later. */
export const FIELD_FLAGS = {
  'disk-format': {
    type: 'string',
    short: 'f',
    value: 'FORMAT',
    choices: DISK_FORMATS,
    help: 'format of the disk: raw, qcow2, iso, …; auto: what Tank finds'
  },
  'container-format': {
    type: 'string',
    value: 'FORMAT',
    choices: CONTAINER_FORMATS,
    help: 'format of what is around the disk: bare, ova, …'
  },
  visibility: {
    type: 'string',
    value: 'WHO',
    choices: VISIBILITIES,
    help: 'private, shared, community or public'
  },
  property: {
    type: 'string',
    short: 'p',
    multiple: true,
    value: 'NAME=VALUE',
    help: 'a property; may be repeated'
  },
  'min-disk': { type: 'string', value: 'GB', help: 'smallest disk that it fits on' },
  'min-ram': { type: 'string', value: 'MB', help: 'least memory that it starts with' },
  owner: { type: 'string', value: 'PROJECT', help: 'whose it is; administrators only' },
  protect: { type: 'boolean', help: 'refuse to delete it' },
  hide: { type: 'boolean', help: 'leave it out of lists that do not ask for it' }
} as const satisfies Record<string, Flag>

/** Pairs such as `os_distro=debian`; the first `=` separates. */
export function properties(call: CommandCall): Record<string, string> {
  const pairs = texts(call, 'property').map((pair): [string, string] => {
    const mark = pair.indexOf('=')
    if (mark < 1) throw new UsageError(`--property needs NAME=VALUE, not "${pair}".`)
    return [pair.slice(0, mark), pair.slice(mark + 1)]
  })
  return Object.fromEntries(pairs)
}

function choice(call: CommandCall, name: string, known: readonly string[]): string | undefined {
  const value = text(call, name)
  if (value === undefined || known.includes(value)) return value
  throw new UsageError(`--${name} is one of ${known.join(', ')}, not "${value}".`)
}

interface GivenFields {
  readonly disk_format?: DiskFormat
  readonly container_format?: ContainerFormat
  readonly visibility?: Visibility
  readonly owner?: string
  readonly min_disk?: number
  readonly min_ram?: number
  readonly protected?: boolean
  readonly os_hidden?: boolean
}

/** The fields that the flags name, as the Image API calls them. */
export function fieldsOf(call: CommandCall): GivenFields {
  const given = {
    disk_format: choice(call, 'disk-format', DISK_FORMATS),
    container_format: choice(call, 'container-format', CONTAINER_FORMATS),
    visibility: choice(call, 'visibility', VISIBILITIES),
    owner: text(call, 'owner'),
    min_disk: integer(call, 'min-disk'),
    min_ram: integer(call, 'min-ram'),
    protected: call.values.protect === true ? true : undefined,
    os_hidden: call.values.hide === true ? true : undefined
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** Exactly one word. */
export function oneWord({ words }: CommandCall, what: string): string {
  const [word, extra] = words
  if (word === undefined || word === '') throw new UsageError(`Say which ${what}.`)
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many.`)
  return word
}

/** A word and at least one more. */
export function wordsAfter(
  { words }: CommandCall,
  what: string,
  more: string
): readonly [first: string, rest: readonly string[]] {
  const [first, ...rest] = words
  if (first === undefined || first === '') throw new UsageError(`Say which ${what}.`)
  if (rest.length === 0) throw new UsageError(`Say ${more}.`)
  return [first, rest]
}

/** Exactly two words. */
export function twoWords(
  call: CommandCall,
  what: string,
  second: string
): readonly [first: string, second: string] {
  const [first, [word = '', extra]] = wordsAfter(call, what, second)
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many.`)
  return [first, word]
}
