import { networkInterfaces } from 'node:os'
import {
  type Address,
  type AddressRange,
  isPublic,
  isWithin,
  parseAddress,
  parseRange,
  plain,
  unwrapped
} from './address.ts'

/** What a site says about hosts: names, addresses and ranges of addresses. */
export interface HostLists {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** Decides which hosts may be spoken to. */
export interface HostRules {
  /** Refused whatever it resolves to. */
  deniesName(hostname: string): boolean
  /** Named by the site, and so exempt from the check of its addresses. */
  allowsName(hostname: string): boolean
  /** `isAllowed`: the address belongs to a name that the site allows. */
  permits(address: string, isAllowed: boolean): boolean
}

/** The addresses of this machine, read anew each time, since they come and go. */
export type OwnAddresses = () => readonly string[]

// Credentials of the machine itself lie there; no list of a site opens them.
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.platformequinix.com',
  'metadata.packet.net',
  'metadata.tencentyun.com',
  'instance-data',
  'instance-data.ec2.internal'
])
const METADATA = ranges([
  '169.254.169.254',
  '169.254.169.253',
  '169.254.170.2',
  '169.254.170.23',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::253',
  'fd00:ec2::23',
  'fd20:ce::254'
])

const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/
// The URL parser takes a last label like this for a part of an IPv4 address.
const NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/

/** Throws, naming the entry, when a list has something else than names and addresses. */
export function createHostRules(lists: HostLists, own: OwnAddresses = ownAddresses): HostRules {
  const allow = readList('allow', lists.allow)
  const deny = readList('denyHosts', lists.deny)
  const isDenied = (address: Address) =>
    [...METADATA, ...deny.ranges].some((range) => isWithin(address, range))
  return {
    deniesName: (hostname) => {
      if (METADATA_NAMES.has(hostname) || deny.names.has(hostname)) return true
      return isLocalhost(hostname) && !allow.names.has(hostname)
    },
    allowsName: (hostname) => allow.names.has(hostname),
    permits(text, isAllowed) {
      const address = parseAddress(text)
      if (address === undefined || unwrapped(address).some(isDenied)) return false
      if (isAllowed || allow.ranges.some((range) => isWithin(plain(address), range))) return true
      return isPublic(address) && !own().some((each) => isSame(each, address))
    }
  }
}

function isSame(text: string, address: Address): boolean {
  const own = parseAddress(text)
  return own !== undefined && own.toString() === address.toString()
}

function isLocalhost(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost')
}

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) => each?.map((at) => at.address) ?? [])
}

function readList(option: string, entries: readonly string[]) {
  const names = new Set<string>()
  const found: AddressRange[] = []
  for (const entry of entries) {
    const range = parseRange(entry)
    const name = entry.toLowerCase()
    if (range !== undefined) found.push(range)
    else if (NAME.test(name) && !NUMBER.test(name)) names.add(name)
    else throw new Error(`${option}: "${entry}" is no host name, address or range of addresses`)
  }
  return { names, ranges: found }
}

function ranges(texts: readonly string[]): readonly AddressRange[] {
  return texts.map(parseRange).filter((each) => each !== undefined)
}
