import type { FastifyRequest } from 'fastify'

/** What this service can do, as far as the version document tells it. */
export interface ApiFeatures {
  /** Several named stores: info, choice on upload and import, image tasks, removal from one store. */
  readonly stores: boolean
  /** Copies to further stores. */
  readonly copyImage: boolean
  readonly cache: boolean
}

/** Minor versions of the Image API v2 in force, newest first. */
export function advertisedMinors(features: ApiFeatures): readonly number[] {
  const minors = [17, 15, 9, 7, 6, 5, 4, 3, 2, 1, 0]
  if (features.stores) minors.push(8, 10, 12, 13)
  if (features.copyImage) minors.push(11)
  if (features.cache) minors.push(14, 16, 18)
  return minors.sort((a, b) => b - a)
}

export interface VersionDocument {
  readonly versions: readonly {
    readonly id: string
    readonly status: 'CURRENT' | 'SUPPORTED'
    readonly links: readonly { readonly rel: 'self'; readonly href: string }[]
  }[]
}

/** The version document (V6); `base` is the origin of its links, without a slash at the end. */
export function versionDocument(base: string, minors: readonly number[]): VersionDocument {
  return {
    versions: minors.map((minor, index) => ({
      id: `v2.${minor}`,
      status: index === 0 ? 'CURRENT' : 'SUPPORTED',
      links: [{ rel: 'self', href: `${base}/v2/` }]
    }))
  }
}

/** Base of absolute links (V6): the configured endpoint, else what the client asked for. */
export function linkBase(request: FastifyRequest, publicEndpoint: string): string {
  if (publicEndpoint !== '') return publicEndpoint.replace(/\/+$/, '')
  return `${request.protocol}://${request.host}${forwardedPrefix(request)}`
}

const PREFIX = /^(?:\/[\w.~-]+){1,8}$/

/** The path that a trusted proxy took off; one that says for whom it asks, as proxies do (S-50). */
function forwardedPrefix({ headers, ips = [] }: FastifyRequest): string {
  const given = headers['x-forwarded-prefix']
  if (ips.length < 2 || typeof given !== 'string' || given.length > 255) return ''
  const prefix = given.replace(/\/+$/, '')
  return PREFIX.test(prefix) ? prefix : ''
}

/** First path segments that are Tank's own and so outside of versioning. */
const OWN_SEGMENTS: ReadonlySet<string> = new Set([
  'healthcheck',
  'readyz',
  'metrics',
  'openapi.json',
  'docs',
  'ui',
  'blobs',
  'streams',
  'links',
  'versions'
])

const ACCEPT_VERSION = /^application\/vnd\.openstack\.images-v(\d+)(?:\.(\d+))?(?:$|[;,+\s])/

/**
 * Maps a request target onto the routes (V1–V5): `/v2.N` and versions by `Accept` become `/v2`,
 * everything that names no advertised version becomes `/`, the version document.
 */
export function routeTarget(
  target: string,
  accept: string | undefined,
  minors: readonly number[]
): string {
  const queryAt = target.indexOf('?')
  const path = queryAt === -1 ? target : target.slice(0, queryAt)
  const slash = path.indexOf('/', 1)
  const first = path.slice(1, slash === -1 ? undefined : slash)
  if (first === 'v2') return slash === -1 || slash === path.length - 1 ? '/' : target
  if (OWN_SEGMENTS.has(first)) return target
  const version = accept === undefined ? null : ACCEPT_VERSION.exec(accept.trim())
  if (version !== null) {
    const known = version[1] === '2' && minors.includes(Number(version[2] ?? 0))
    return known && first !== '' ? `/v2${target}` : '/'
  }
  const minor = /^v2\.(\d+)$/.exec(first)?.[1]
  if (
    minor !== undefined &&
    minors.includes(Number(minor)) &&
    slash !== -1 &&
    slash < path.length - 1
  ) {
    return `/v2${target.slice(first.length + 1)}`
  }
  return '/'
}
