import { skip } from './ovf.ts'

/** What the description of an appliance says about the machine; what it does not say is left out. */
export interface Appliance {
  readonly product?: string
  readonly vendor?: string
  readonly version?: string
  /** The guest's operating system: a vendor's word for it, else the text of the description. */
  readonly osType?: string
  readonly cpus?: number
  /** MiB */
  readonly memory?: number
}

/**
 * A tag with what stands between it and the next one. A name has to end where it ends: else every
 * shorter one would be tried with all that follows.
 */
const PIECE = /<(\/?)(?:[\w.-]{1,100}:)?([\w.-]{1,100})(?=[\s/>])([^<>]*)>([^<]*)/g
const MOST_TEXT = 255
const CPU = '3'
const MEMORY = '4'
const NAMES: ReadonlyMap<string, 'product' | 'vendor' | 'version'> = new Map([
  ['Product', 'product'],
  ['Vendor', 'vendor'],
  ['Version', 'version']
])

/** The text without comments and CDATA sections, whose tags are none. */
function withoutSkipped(xml: string): string {
  let text = ''
  for (let from = 0; ; ) {
    const at = xml.indexOf('<!', from)
    if (at < 0) return text + xml.slice(from)
    text += xml.slice(from, at)
    const behind = skip(xml, at) ?? Number.NaN
    if (Number.isNaN(behind)) return text
    from = behind
  }
}

const decoder = new TextDecoder()
const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&'
}

/** Text as people read it: UTF-8, the five entities, no control characters; empty when it is none. */
function textOf(raw: string): string {
  const bytes = Uint8Array.from(raw.slice(0, 4 * MOST_TEXT), (letter) => letter.charCodeAt(0))
  return [
    ...decoder
      .decode(bytes)
      .replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name] ?? '')
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s\ufffd]+/gu, ' ')
      .trim()
  ]
    .slice(0, MOST_TEXT)
    .join('')
}

/** MiB in one unit of memory, as the appliance names it (`byte * 2^20`); undefined for another word. */
function unitOf(units: string | undefined): number | undefined {
  if (units === undefined || /^(?:megabytes|mb)$/i.test(units)) return 1
  const [, power] = /^byte ?\* ?2\^(\d\d)$/.exec(units) ?? []
  return power === undefined ? undefined : 2 ** (Number(power) - 20)
}

function quantity(item: ReadonlyMap<string, string>, unit: number | undefined): number | undefined {
  const text = item.get('VirtualQuantity')
  if (text === undefined || unit === undefined || !/^\d{1,9}$/.test(text)) return undefined
  const value = Number(text) * unit
  return Number.isInteger(value) && value > 0 ? value : undefined
}

function hardwareOf(item: ReadonlyMap<string, string>): Appliance {
  const type = item.get('ResourceType')
  const cpus = type === CPU ? quantity(item, 1) : undefined
  const memory = type === MEMORY ? quantity(item, unitOf(item.get('AllocationUnits'))) : undefined
  return { ...(cpus === undefined ? {} : { cpus }), ...(memory === undefined ? {} : { memory }) }
}

/** Sections and items whose contents count. */
const PARTS: readonly string[] = ['ProductSection', 'OperatingSystemSection', 'Item']
const OF_ITEM: readonly string[] = ['ResourceType', 'VirtualQuantity', 'AllocationUnits']

/** What one tag in a section adds to what is known. */
function saidBy(part: string, name: string, between: string, known: Appliance): Appliance {
  const isSystem = part === 'OperatingSystemSection' && name === 'Description'
  const key = part === 'ProductSection' ? NAMES.get(name) : isSystem ? 'osType' : undefined
  const text = key === undefined || key in known ? '' : textOf(between)
  return key === undefined || text === '' ? {} : { [key]: text }
}

function osTypeOf(attributes: string): Appliance {
  const [, word = ''] = /[\w.-]:osType\s*=\s*["']([^"']{1,255})["']/.exec(attributes) ?? []
  const osType = textOf(word)
  return osType === '' ? {} : { osType }
}

/** Reads what a well-formed description (OVF 2.1) says; the first word on everything counts. */
export function applianceOf(xml: string): Appliance {
  let facts: Appliance = {}
  let part = ''
  let item = new Map<string, string>()
  for (const piece of withoutSkipped(xml).matchAll(PIECE)) {
    const [, closing, name = '', attributes = '', between = ''] = piece
    if (closing === '/') {
      if (part === 'Item' && name === part) facts = { ...hardwareOf(item), ...facts }
      if (name === part) part = ''
    } else if (PARTS.includes(name) && !attributes.endsWith('/')) {
      part = name
      item = new Map()
      if (name === 'OperatingSystemSection') facts = { ...osTypeOf(attributes), ...facts }
    } else if (part === 'Item' && OF_ITEM.includes(name)) item.set(name, textOf(between))
    else if (part !== '') facts = { ...saidBy(part, name, between, facts), ...facts }
  }
  return facts
}
