import { BlockList, isIP } from 'node:net'
import { TankError } from '@tank/model'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { readsOnly, roleSet } from './caller.ts'
import { findCallers } from './find-callers.ts'

export interface HeaderIdentityOptions {
  readonly trustedFronts: readonly string[]
  readonly authenticateUri: string
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    const family = isIP(address)
    const bits = prefix === undefined ? undefined : Number(prefix)
    const most = family === 6 ? 128 : 32
    if (
      family === 0 ||
      (bits !== undefined && !(Number.isInteger(bits) && bits >= 0 && bits <= most))
    )
      throw new TankError(
        'INVALID_REQUEST',
        `identity.trustedFronts: '${range}' is neither an IP address nor a CIDR range`
      )
    const type = family === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, type)
    else list.addSubnet(address, bits, type)
  }
  return list
}

function peerTrusted(list: BlockList, request: FastifyRequest): boolean {
  const address = request.socket.remoteAddress
  if (address === undefined) return true // a Unix socket: its file permissions decided
  const mapped = address.startsWith('::ffff:') ? address.slice(7) : address
  const family = isIP(mapped)
  return family !== 0 && list.check(mapped, family === 6 ? 'ipv6' : 'ipv4')
}

function text(request: FastifyRequest, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = request.headers[name]
    if (typeof value === 'string' && value !== '') return value
  }
  return null
}

const plugin: FastifyPluginAsync<HeaderIdentityOptions> = async (app, options) => {
  const fronts = blockList(options.trustedFronts)
  const challenge = { 'www-authenticate': `Keystone uri="${options.authenticateUri}"` }
  findCallers(app, (request) => {
    if (!peerTrusted(fronts, request) || request.headers['x-identity-status'] !== 'Confirmed') {
      throw new TankError('UNAUTHENTICATED', 'Authentication required', { headers: challenge })
    }
    const catalog = text(request, 'x-service-catalog')
    if (catalog !== null) {
      try {
        JSON.parse(catalog)
      } catch (cause) {
        throw new TankError('INVALID_REQUEST', 'X-Service-Catalog is not valid JSON', { cause })
      }
    }
    const roles = roleSet((text(request, 'x-roles') ?? '').split(','))
    const serviceRoles = roleSet((text(request, 'x-service-roles') ?? '').split(','))
    return {
      user: text(request, 'x-user-id'),
      project: text(request, 'x-project-id', 'x-tenant-id', 'x-tenant'),
      domain: text(request, 'x-project-domain-id'),
      roles,
      serviceRoles,
      readOnly: readsOnly(roles, serviceRoles)
    }
  })
}

/** Identity mode `headers`: believes the identity headers of a trusted front (A3). */
export const headerIdentity: FastifyPluginAsync<HeaderIdentityOptions> = fp(plugin, {
  name: 'tank-identity',
  fastify: '5.x'
})
