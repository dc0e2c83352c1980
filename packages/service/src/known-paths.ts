import { TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'

interface KnownPath {
  readonly pattern: RegExp
  readonly methods: Set<string>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route only answers what no other route takes: its methods are not shown in `Allow`. */
    catchAll?: boolean
  }
}

const ORDER = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const registries = new WeakMap<object, Map<string, KnownPath>>()

function toPattern(url: string): RegExp {
  const source = url
    .replace(/[.+?^${}|[\]\\]/g, '\\$&')
    .replace(/:[A-Za-z0-9_]+(\([^/]*\))?/g, '[^/]+')
    .replaceAll('*', '.*')
  return new RegExp(`^${source}$`)
}

/** Notes every route that is added from now on, for `allowedMethods`. */
export function rememberPaths(app: FastifyInstance): void {
  const paths = new Map<string, KnownPath>()
  registries.set(app.server, paths)
  app.addHook('onRoute', (route) => {
    if (route.config?.catchAll === true || /^\/?\*$/.test(route.url)) return
    const known = paths.get(route.url) ?? { pattern: toPattern(route.url), methods: new Set() }
    for (const method of [route.method].flat()) known.methods.add(method)
    paths.set(route.url, known)
  })
}

/** Methods that the routes of a server take at a path: empty when the path is unknown. */
export function allowedMethods(app: FastifyInstance, url: string): string[] {
  const path = url.split('?', 1)[0] ?? url
  const methods = new Set<string>()
  for (const known of registries.get(app.server)?.values() ?? []) {
    if (known.pattern.test(path)) for (const method of known.methods) methods.add(method)
  }
  return [...methods].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b))
}

/**
 * The error for a request that no route takes: 405 with `Allow` where the path is known, else 404,
 * or 501 for a method that HTTP APIs do not use.
 */
export function notFoundError(app: FastifyInstance, method: string, url: string): TankError {
  const allowed = allowedMethods(app, url)
  if (allowed.length > 0 && !allowed.includes(method)) {
    return new TankError('METHOD_NOT_ALLOWED', 'The method is not allowed for this resource.', {
      headers: { allow: allowed.join(', ') }
    })
  }
  if (ORDER.includes(method)) return new TankError('NOT_FOUND', 'The resource could not be found.')
  return new TankError('METHOD_UNKNOWN', 'The method is not known to this server.')
}
