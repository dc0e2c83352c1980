import type { Usage } from '@tank/model'
import type { Dispatcher } from 'undici'
import { type BackgroundCalls, createBackgroundCalls } from './registry-background.ts'
import {
  checked,
  type Exchange,
  json,
  type RegistryCallOptions,
  SYSTEM_CALLER
} from './registry-exchange.ts'
import { createRegistryServers, type RegistryServers } from './registry-failover.ts'
import { createGarbageCalls, type GarbageCalls } from './registry-garbage.ts'
import { createImageCalls, type ImageCalls } from './registry-images.ts'
import { createMemberCalls, type MemberCalls } from './registry-members.ts'
import { createMetadefCalls, type MetadefCalls } from './registry-metadefs.ts'
import { createOperationCalls, type OperationCalls } from './registry-operations.ts'
import { createRecordCalls, type RecordCalls } from './registry-records.ts'
import { createTokenCalls, type TokenCalls } from './registry-tokens.ts'
import { openTransport } from './transport.ts'

/** Where the registries are, and the secret that they know the image service by. */
export interface RegistryClientOptions {
  /** `http://host:port` or `unix:/path.sock`; equal servers over one database, ordered. */
  readonly urls: readonly string[]
  readonly secret: string
  /** Most sockets to each server, 16 unless told. */
  readonly connections?: number
  /** Longest time that one server may take for one call, 10,000 unless told. */
  readonly timeoutMs?: number
  /** Sends the requests instead of own pools; whoever made it closes it. */
  readonly dispatcher?: Dispatcher
}

/**
 * Client of the Registry API. Every call rejects with a `TankError`, or with the signal's reason;
 * when no server can be reached its code is `REGISTRY_UNAVAILABLE`.
 */
export interface RegistryClient
  extends ImageCalls,
    MemberCalls,
    OperationCalls,
    BackgroundCalls,
    GarbageCalls,
    TokenCalls,
    MetadefCalls,
    RecordCalls {
  usage(project: string, o?: RegistryCallOptions): Promise<Usage>
  /** Resolves when a server says that it is ready. */
  ready(o?: RegistryCallOptions): Promise<void>
  close(): Promise<void>
}

/** Makes a client; sockets are opened by the first call. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  if (options.urls.length === 0) throw new TypeError('a registry client needs at least one URL')
  const { connections, dispatcher, timeoutMs = 10_000 } = options
  const connectTimeoutMs = Math.min(timeoutMs, 3_000)
  const servers = createRegistryServers(
    options.urls.map((url) => openTransport({ url, connections, connectTimeoutMs, dispatcher }))
  )
  const exchange = createExchange(servers, options.secret, timeoutMs)
  return {
    ...createImageCalls(exchange),
    ...createMemberCalls(exchange),
    ...createOperationCalls(exchange),
    ...createBackgroundCalls(exchange),
    ...createGarbageCalls(exchange),
    ...createTokenCalls(exchange),
    ...createMetadefCalls(exchange),
    ...createRecordCalls(exchange),
    async usage(project, o) {
      const path = `/v1/usage/${encodeURIComponent(project)}`
      return json<Usage>(checked(await exchange(SYSTEM_CALLER, 'GET', path, undefined, o)))
    },
    async ready(o) {
      checked(await exchange(SYSTEM_CALLER, 'GET', '/readyz', undefined, o))
    },
    close: () => servers.close()
  }
}

/** Says with every call who asks, and on whose behalf. */
function createExchange(servers: RegistryServers, secret: string, timeoutMs: number): Exchange {
  const authorization = `Bearer ${secret}`
  return (caller, method, path, body, options, version) => {
    const headers = ['authorization', authorization]
    if (caller.project !== null) headers.push('tank-project', encodeURIComponent(caller.project))
    if (caller.user !== null) headers.push('tank-user', encodeURIComponent(caller.user))
    if (caller.scope === 'all') headers.push('tank-scope', 'all')
    if (caller.sees?.length) headers.push('tank-sees', caller.sees.join(','))
    if (caller.requestId !== '') headers.push('x-openstack-request-id', caller.requestId)
    if (version !== undefined) headers.push('if-match', `"${version}"`)
    if (body !== undefined) headers.push('content-type', 'application/json')
    return servers.call({
      method,
      path,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs,
      signal: options?.signal
    })
  }
}
