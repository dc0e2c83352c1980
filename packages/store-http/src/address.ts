import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6
export type AddressRange = readonly [Address, number]

// What is no public unicast address: IANA's special-purpose registries (RFC 6890 and its updates).
const SPECIAL = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '::ffff:0:0/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8'
].map((text) => ipaddr.parseCIDR(text))

// Everything public of IPv6 lies in here, whatever else will be set apart one day (RFC 4291).
const UNICAST = ipaddr.parseCIDR('2000::/3')

/** Where in an IPv6 address an IPv4 address stands, by the range of the first. */
const EMBEDDINGS: readonly (readonly [string, ...(readonly number[])[]])[] = [
  ['::/96', [12, 13, 14, 15]],
  ['::ffff:0:0/96', [12, 13, 14, 15]],
  ['::ffff:0:0:0/96', [12, 13, 14, 15]],
  ['64:ff9b::/96', [12, 13, 14, 15]],
  // RFC 8215 leaves the length of the prefix open, so two of the places of RFC 6052.
  ['64:ff9b:1::/48', [12, 13, 14, 15], [6, 7, 9, 10]],
  ['2002::/16', [2, 3, 4, 5]],
  ['2001::/32', [4, 5, 6, 7]]
]
const embeddings = EMBEDDINGS.map(([range, ...places]) => ({
  range: ipaddr.parseCIDR(range),
  places
}))
const TEREDO = ipaddr.parseCIDR('2001::/32')

/** Reads an address; undefined for everything else, and for one that needs a zone. */
export function parseAddress(text: string): Address | undefined {
  return isIP(text) === 0 || text.includes('%') ? undefined : ipaddr.parse(text)
}

/** Reads `address` or `address/bits`; undefined for everything else. */
export function parseRange(text: string): AddressRange | undefined {
  const [head = '', bits, ...rest] = text.split('/')
  const address = parseAddress(head)
  if (address === undefined || rest.length > 0) return undefined
  const most = address.kind() === 'ipv4' ? 32 : 128
  if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)) return undefined
  const length = bits === undefined ? most : Number(bits)
  // Addresses are compared in their plain form.
  const isMapped = plain(address) !== address && length >= 96
  return isMapped ? [plain(address), length - 96] : [address, length]
}

export function isWithin(address: Address, [network, bits]: AddressRange): boolean {
  return address.kind() === network.kind() && address.match([network, bits])
}

/** An IPv4 address that is written as an IPv6 one becomes itself; all others stay what they are. */
export function plain(address: Address): Address {
  const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()
  return isMapped ? address.toIPv4Address() : address
}

/** The address, and each IPv4 address that packets to it may end at. */
export function unwrapped(address: Address): readonly Address[] {
  if (!(address instanceof ipaddr.IPv6)) return [address]
  const bytes = address.toByteArray()
  const found: Address[] = [address]
  const take = (places: readonly number[], flip = 0) => {
    found.push(new ipaddr.IPv4(places.map((at) => (bytes[at] ?? 0) ^ flip)))
  }
  for (const { range, places } of embeddings) {
    if (isWithin(address, range)) for (const each of places) take(each)
  }
  if (isWithin(address, TEREDO)) take([12, 13, 14, 15], 0xff)
  if (isIsatap(bytes)) take([12, 13, 14, 15])
  return found
}

/** Whether everybody on the Internet means the same host by it (S-18 step 4). */
export function isPublic(address: Address): boolean {
  return unwrapped(address).every((each) => {
    if (each.kind() === 'ipv6' && !isWithin(each, UNICAST)) return false
    return !SPECIAL.some((range) => isWithin(each, range))
  })
}

function isIsatap(bytes: readonly number[]): boolean {
  const [first = 0, ...rest] = bytes.slice(8, 12)
  return (first & 0xfd) === 0 && rest.join() === '0,94,254'
}
