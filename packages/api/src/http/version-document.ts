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

/** The versions of the Image API that are served. */
export interface ApiVersions {
  /** Minor versions of v2, newest first. */
  readonly minors: readonly number[]
  readonly v1: boolean
}

export interface VersionDocument {
  readonly versions: readonly {
    readonly id: string
    readonly status: 'CURRENT' | 'SUPPORTED'
    readonly links: readonly { readonly rel: 'self'; readonly href: string }[]
  }[]
}

/** The version document (V6); `base` is the origin of its links, without a slash at the end. */
export function versionDocument(base: string, { minors, v1 }: ApiVersions): VersionDocument {
  const self = (major: number) => [{ rel: 'self' as const, href: `${base}/v${major}/` }]
  const second = minors.map((minor, index) => ({
    id: `v2.${minor}`,
    status: index === 0 ? ('CURRENT' as const) : ('SUPPORTED' as const),
    links: self(2)
  }))
  const first = ['v1.1', 'v1.0'].map((id) => ({ id, status: 'SUPPORTED' as const, links: self(1) }))
  return { versions: v1 ? [...second, ...first] : second }
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

const ACCEPT_VERSION = /^application\/vnd\.(?:openstack|x7)\.images-v(\d+)(?:\.(\d+))?(?:$|[;,+\s])/
/** v1.1 is v1.0 that says that it has members, filters and pages. */
const V1_SEGMENTS: ReadonlySet<string> = new Set(['v1', 'v1.0', 'v1.1'])

/** The target by the version that its path begins with; null when that is none that is served. */
function byPath(target: string, first: string, { minors, v1 }: ApiVersions): string | null {
  const rest = target.slice(first.length + 1)
  if (V1_SEGMENTS.has(first)) return v1 ? `/v1${rest}` : null
  const minor = first === 'v2' ? '0' : /^v2\.(\d+)$/.exec(first)?.[1]
  if (minor === undefined || !minors.includes(Number(minor))) return null
  // clients look for versions there, too (V5)
  return /^\/[^?]/.test(rest) ? `/v2${rest}` : '/'
}

/** The target of a path without a version, by that of `Accept`; null when that is none. */
function byAccept(
  target: string,
  first: string,
  accept: string,
  { minors, v1 }: ApiVersions
): string | null {
  const [, major, minor = '0'] = ACCEPT_VERSION.exec(accept.trim()) ?? []
  if (/^v\d/.test(first) || !target.startsWith('/')) return null
  if (major === '1' && v1) return minor === '0' || minor === '1' ? `/v1${target}` : null
  const known = major === '2' && minors.includes(Number(minor))
  return known && first !== '' ? `/v2${target}` : null
}

/**
 * Maps a request target onto the routes (V1–V5): `/v2.N` and versions by `Accept` become `/v2`,
 * those of v1 `/v1`; everything that names no advertised version becomes `/`, the version document.
 * A version in the path decides, whatever `Accept` says.
 */
export function routeTarget(
  target: string,
  accept: string | undefined,
  versions: ApiVersions
): string {
  const queryAt = target.indexOf('?')
  const path = queryAt === -1 ? target : target.slice(0, queryAt)
  const slash = path.indexOf('/', 1)
  const first = path.slice(1, slash === -1 ? undefined : slash)
  if (OWN_SEGMENTS.has(first)) return target
  return byPath(target, first, versions) ?? byAccept(target, first, accept ?? '', versions) ?? '/'
}

/** Whether a target, as `routeTarget` has mapped it, belongs to the Image API v1. */
export function isV1Target(target: string): boolean {
  return /^\/v1(?:[/?]|$)/.test(target)
}
