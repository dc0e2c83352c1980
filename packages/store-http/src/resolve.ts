import { lookup, Resolver } from 'node:dns/promises'

interface ResolveOptions {
  readonly signal: AbortSignal
  /** The site named this host, so its own ways of finding hosts count: hosts file, search list. */
  readonly isAllowed: boolean
}

/** Every address of a host, IPv4 and IPv6; rejects when there is none. */
export type Resolve = (hostname: string, options: ResolveOptions) => Promise<readonly string[]>

/** Asks the system for names that the site allows, the DNS for all others. */
export const resolveHost: Resolve = async (hostname, { signal, isAllowed }) => {
  if (isAllowed) return (await lookup(hostname, { all: true })).map(({ address }) => address)
  return askDns(hostname, signal)
}

/**
 * Not the system's resolver: a name whose servers do not answer would hold one of the few threads
 * that every other lookup of this process needs, for as long as strangers want.
 */
async function askDns(hostname: string, signal: AbortSignal): Promise<readonly string[]> {
  const resolver = new Resolver()
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const [a, aaaa] = await Promise.allSettled([
      resolver.resolve4(hostname),
      resolver.resolve6(hostname)
    ])
    const found = [a, aaaa].flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    if (found.length === 0 && a.status === 'rejected') throw a.reason
    return found
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}
