import { isIPv4, isIPv6 } from 'node:net'

export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  if (isIPv4(host)) return host.startsWith('127.')
  return isIPv6(host) && (host === '::1' || /^::ffff:127\./i.test(host))
}

interface OpenConfig {
  readonly host: string
  readonly identity: { readonly mode: string; readonly allowOpen?: boolean }
}

/** Without identities everyone is an administrator: that must not happen to a network by accident. */
export function refuseOpenService({ host, identity }: OpenConfig): void {
  if (identity.mode !== 'none' || identity.allowOpen === true || isLoopback(host)) return
  throw new Error(
    `identity mode "none" makes everyone an administrator, and ${host} can be reached from other ` +
      'machines. Configure an identity mode, listen on 127.0.0.1, or, behind something that keeps ' +
      'strangers out, set api.identity.allowOpen (TANK_API__IDENTITY__ALLOW_OPEN=true).'
  )
}
