import { isIP } from 'node:net'
import { TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiConfig } from '../config.ts'

/** Methods that change nothing: pages may send them, they cannot read the answers. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Probes come under any name and are told nothing. */
const PROBES: ReadonlySet<string> = new Set(['/healthcheck', '/readyz'])

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

/** Whether a page of this origin came from the address that its request went to. */
function isOwn(origin: string, host: string | undefined): boolean {
  const page = parseUrl(origin)
  if (page === undefined || host === undefined) return false
  // read like the page's: a default port is left out, letters are small
  return page.host !== '' && page.host === parseUrl(`${page.protocol}//${host}`)?.host
}

function isFromForeignPage(request: FastifyRequest, allowed: ReadonlySet<string>): boolean {
  const { origin, host, 'sec-fetch-site': site } = request.headers
  if (origin !== undefined && allowed.has(origin)) return false
  if (site === 'cross-site' || site === 'same-site') return true
  return origin !== undefined && !isOwn(origin, host)
}

/**
 * Whether no public name server can have sent a browser here under this name: addresses, names of
 * this machine, names without a dot, and the one that the service is configured for.
 */
function isKnownHost(host: string, known: ReadonlySet<string>): boolean {
  const name = parseUrl(`http://${host}`)?.hostname
  if (name === undefined) return false
  const bare = name.replace(/^\[|\]$/g, '')
  return isIP(bare) !== 0 || !name.includes('.') || name.endsWith('.localhost') || known.has(name)
}

/**
 * Keeps pages that a browser shows from writing (S-49). JSON is taken under any media type, so a
 * page anywhere could send it without the browser's asking first; where the network or a front
 * vouches for the caller, no token would be missing. Browsers say where a page is from; the clients
 * of the Image API do not, and notice nothing.
 *
 * Without identities the name that was asked for counts, too: a page whose own name leads to this
 * machine (DNS rebinding) would be "the same origin", and could even read.
 */
export function refuseForeignPages(
  app: FastifyInstance,
  config: Pick<ApiConfig, 'corsOrigins' | 'publicEndpoint' | 'identity'>
): void {
  const own = parseUrl(config.publicEndpoint)
  const allowed = new Set([...config.corsOrigins, ...(own === undefined ? [] : [own.origin])])
  const hosts = new Set(own === undefined ? [] : [own.hostname])
  const isOpen = config.identity.mode === 'none'
  app.addHook('onRequest', async (request) => {
    const { host } = request.headers
    if (isOpen && host !== undefined && !isKnownHost(host, hosts)) {
      if (PROBES.has(request.originalUrl.split('?', 1)[0] ?? '')) return
      throw new TankError(
        'FORBIDDEN',
        'Without identities the service answers under this name only if it is that of ' +
          'api.publicEndpoint; take the IP address, or configure it'
      )
    }
    if (!SAFE.has(request.method) && isFromForeignPage(request, allowed)) {
      throw new TankError(
        'FORBIDDEN',
        'Pages of other origins may not change anything here, but those of api.corsOrigins'
      )
    }
  })
}
