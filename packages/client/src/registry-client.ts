import type {
  AbandonOperation,
  BeginOperation,
  CreateImage,
  FinishOperation,
  Heartbeat,
  ImageData,
  ImageLocations,
  Lease,
  MemberDocument,
  MemberStatus,
  RegistryCaller,
  UpdateImage,
  Usage
} from '@tank/model'
import type { Dispatcher } from 'undici'
import { type BackgroundCalls, createBackgroundCalls } from './registry-background.ts'
import {
  checked,
  type Exchange,
  json,
  type RegistryCallOptions,
  SYSTEM_CALLER
} from './registry-exchange.ts'
import { createRegistryServers, type FailoverAnswer } from './registry-failover.ts'
import { createGarbageCalls, type GarbageCalls } from './registry-garbage.ts'
import { createMetadefCalls, type MetadefCalls } from './registry-metadefs.ts'
import { createTokenCalls, type TokenCalls } from './registry-tokens.ts'
import { areSo, fulfils } from './registry-wish.ts'
import { openTransport } from './transport.ts'

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

/** An image as JSON text, passed on as it came. */
export interface RawDocument {
  readonly body: Buffer
  readonly version: string
}

/** One page of images: `body` is a JSON array. */
export interface RawPage {
  readonly body: Buffer
  readonly nextMarker: string | undefined
}

/**
 * Client of the Registry API. Every call rejects with a `TankError`, or with the signal's reason;
 * when no server can be reached its code is `REGISTRY_UNAVAILABLE`.
 */
export interface RegistryClient extends BackgroundCalls, GarbageCalls, TokenCalls, MetadefCalls {
  createImage(c: RegistryCaller, image: CreateImage, o?: RegistryCallOptions): Promise<RawDocument>
  /** `query`: the raw query of the list, without `?`. */
  listImages(c: RegistryCaller, query: string, o?: RegistryCallOptions): Promise<RawPage>
  getImage(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<RawDocument>
  updateImage(
    c: RegistryCaller,
    id: string,
    version: string,
    fields: UpdateImage,
    o?: RegistryCallOptions
  ): Promise<RawDocument>
  deleteImage(
    c: RegistryCaller,
    id: string,
    version?: string,
    o?: RegistryCallOptions
  ): Promise<void>
  /** Deactivates or reactivates. */
  setActive(c: RegistryCaller, id: string, active: boolean, o?: RegistryCallOptions): Promise<void>
  getImageData(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<ImageData>
  /** Where the data of at most 1000 images lies; those that the caller does not see are left out. */
  findLocations(
    c: RegistryCaller,
    ids: readonly string[],
    o?: RegistryCallOptions
  ): Promise<ImageLocations[]>
  listMembers(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<MemberDocument[]>
  /** `limit`: the most members that the image may have, null for any number. */
  addMember(
    c: RegistryCaller,
    id: string,
    member: string,
    limit: number | null,
    o?: RegistryCallOptions
  ): Promise<MemberDocument>
  getMember(
    c: RegistryCaller,
    id: string,
    member: string,
    o?: RegistryCallOptions
  ): Promise<MemberDocument>
  setMember(
    c: RegistryCaller,
    id: string,
    member: string,
    status: MemberStatus,
    o?: RegistryCallOptions
  ): Promise<MemberDocument>
  removeMember(
    c: RegistryCaller,
    id: string,
    member: string,
    o?: RegistryCallOptions
  ): Promise<void>
  begin(c: RegistryCaller, operation: BeginOperation, o?: RegistryCallOptions): Promise<Lease>
  heartbeat(
    c: RegistryCaller,
    operationId: string,
    beat: Heartbeat,
    o?: RegistryCallOptions
  ): Promise<Lease>
  finish(
    c: RegistryCaller,
    operationId: string,
    finish: FinishOperation,
    o?: RegistryCallOptions
  ): Promise<RawDocument>
  abandon(
    c: RegistryCaller,
    operationId: string,
    abandon: AbandonOperation,
    o?: RegistryCallOptions
  ): Promise<void>
  /** Ends every running operation whose worker begins with the prefix; returns how many. */
  release(workerPrefix: string, o?: RegistryCallOptions): Promise<number>
  usage(project: string, o?: RegistryCallOptions): Promise<Usage>
  /** Resolves when a server says that it is ready. */
  ready(o?: RegistryCallOptions): Promise<void>
  close(): Promise<void>
}

/** Makes a client; sockets are opened by the first call. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  if (options.urls.length === 0) throw new TypeError('a registry client needs at least one URL')
  const client = new HttpRegistryClient(options)
  const { exchange } = client
  return Object.assign(
    client,
    createBackgroundCalls(exchange),
    createGarbageCalls(exchange),
    createTokenCalls(exchange),
    createMetadefCalls(exchange)
  )
}

type OtherCalls = BackgroundCalls & GarbageCalls & TokenCalls & MetadefCalls

class HttpRegistryClient implements Omit<RegistryClient, keyof OtherCalls> {
  readonly #servers: ReturnType<typeof createRegistryServers>
  readonly #authorization: string
  readonly #timeoutMs: number

  constructor(options: RegistryClientOptions) {
    const { connections, dispatcher } = options
    this.#timeoutMs = options.timeoutMs ?? 10_000
    const connectTimeoutMs = Math.min(this.#timeoutMs, 3_000)
    this.#servers = createRegistryServers(
      options.urls.map((url) => openTransport({ url, connections, connectTimeoutMs, dispatcher }))
    )
    this.#authorization = `Bearer ${options.secret}`
  }

  async createImage(caller: RegistryCaller, image: CreateImage, o?: RegistryCallOptions) {
    return document(await this.#send(caller, 'POST', '/v1/images', image, o))
  }

  async listImages(caller: RegistryCaller, query: string, o?: RegistryCallOptions) {
    const path = query === '' ? '/v1/images' : `/v1/images?${query}`
    const answer = await this.#send(caller, 'GET', path, undefined, o)
    return { body: answer.body, nextMarker: text(answer.headers['tank-next-marker']) }
  }

  async getImage(caller: RegistryCaller, id: string, o?: RegistryCallOptions) {
    return document(await this.#send(caller, 'GET', imagePath(id), undefined, o))
  }

  async updateImage(
    caller: RegistryCaller,
    id: string,
    version: string,
    fields: UpdateImage,
    o?: RegistryCallOptions
  ) {
    const answer = await this.#exchange(caller, 'PATCH', imagePath(id), fields, o, version)
    if (answer.status === 412 && answer.repeated) {
      // The first sending may have been carried out with its answer lost: look before saying no.
      const current = await this.getImage(caller, id, o)
      if (await this.#isDone(caller, id, current, fields, o)) return current
    }
    return document(checked(answer))
  }

  async #isDone(
    caller: RegistryCaller,
    id: string,
    current: RawDocument,
    { locations, ...fields }: UpdateImage,
    o: RegistryCallOptions | undefined
  ): Promise<boolean> {
    if (!fulfils(current.body, fields)) return false
    return locations === undefined || areSo(await this.getImageData(caller, id, o), locations)
  }

  async findLocations(caller: RegistryCaller, ids: readonly string[], o?: RegistryCallOptions) {
    const path = '/v1/images/locations'
    const answer = await this.#exchange(caller, 'POST', path, { ids }, o)
    return json<{ images: ImageLocations[] }>(checked(answer)).images
  }

  async deleteImage(
    caller: RegistryCaller,
    id: string,
    version?: string,
    o?: RegistryCallOptions
  ): Promise<void> {
    const answer = await this.#exchange(caller, 'DELETE', imagePath(id), undefined, o, version)
    if (answer.status === 404 && answer.repeated) return
    checked(answer)
  }

  async setActive(
    caller: RegistryCaller,
    id: string,
    active: boolean,
    o?: RegistryCallOptions
  ): Promise<void> {
    const path = `${imagePath(id)}/${active ? 'reactivate' : 'deactivate'}`
    await this.#send(caller, 'POST', path, undefined, o)
  }

  async getImageData(caller: RegistryCaller, id: string, o?: RegistryCallOptions) {
    return json<ImageData>(await this.#send(caller, 'GET', `${imagePath(id)}/data`, undefined, o))
  }

  async listMembers(caller: RegistryCaller, id: string, o?: RegistryCallOptions) {
    const answer = await this.#send(caller, 'GET', membersPath(id), undefined, o)
    return json<{ members: MemberDocument[] }>(answer).members
  }

  async addMember(
    caller: RegistryCaller,
    id: string,
    member: string,
    limit: number | null,
    o?: RegistryCallOptions
  ) {
    const body = limit === null ? { member } : { member, limit }
    const answer = await this.#exchange(caller, 'POST', membersPath(id), body, o)
    if (answer.status === 409 && answer.repeated) {
      const current = await this.getMember(caller, id, member, o)
      if (current.status === 'pending') return current
    }
    return json<MemberDocument>(checked(answer))
  }

  async getMember(caller: RegistryCaller, id: string, member: string, o?: RegistryCallOptions) {
    const path = membersPath(id, member)
    return json<MemberDocument>(await this.#send(caller, 'GET', path, undefined, o))
  }

  async setMember(
    caller: RegistryCaller,
    id: string,
    member: string,
    status: MemberStatus,
    o?: RegistryCallOptions
  ) {
    const path = membersPath(id, member)
    return json<MemberDocument>(await this.#send(caller, 'PUT', path, { status }, o))
  }

  async removeMember(
    caller: RegistryCaller,
    id: string,
    member: string,
    o?: RegistryCallOptions
  ): Promise<void> {
    const path = membersPath(id, member)
    const answer = await this.#exchange(caller, 'DELETE', path, undefined, o)
    if (answer.status === 404 && answer.repeated) return
    checked(answer)
  }

  async begin(caller: RegistryCaller, operation: BeginOperation, o?: RegistryCallOptions) {
    return json<Lease>(await this.#send(caller, 'POST', '/v1/operations', operation, o))
  }

  async heartbeat(
    caller: RegistryCaller,
    operationId: string,
    beat: Heartbeat,
    o?: RegistryCallOptions
  ) {
    const path = operationPath(operationId, 'heartbeat')
    return json<Lease>(await this.#send(caller, 'POST', path, beat, o))
  }

  async finish(
    caller: RegistryCaller,
    operationId: string,
    finish: FinishOperation,
    o?: RegistryCallOptions
  ) {
    const path = operationPath(operationId, 'finish')
    return document(await this.#send(caller, 'POST', path, finish, o))
  }

  async abandon(
    caller: RegistryCaller,
    operationId: string,
    abandon: AbandonOperation,
    o?: RegistryCallOptions
  ): Promise<void> {
    await this.#send(caller, 'POST', operationPath(operationId, 'abandon'), abandon, o)
  }

  async release(workerPrefix: string, o?: RegistryCallOptions) {
    const body = { worker_prefix: workerPrefix }
    const answer = await this.#send(SYSTEM_CALLER, 'POST', '/v1/operations/release', body, o)
    return json<{ released: number }>(answer).released
  }

  async usage(project: string, o?: RegistryCallOptions) {
    const path = `/v1/usage/${encodeURIComponent(project)}`
    return json<Usage>(await this.#send(SYSTEM_CALLER, 'GET', path, undefined, o))
  }

  async ready(o?: RegistryCallOptions): Promise<void> {
    await this.#send(SYSTEM_CALLER, 'GET', '/readyz', undefined, o)
  }

  close(): Promise<void> {
    return this.#servers.close()
  }

  async #send(
    caller: RegistryCaller,
    method: Dispatcher.HttpMethod,
    path: string,
    body: object | undefined,
    options: RegistryCallOptions | undefined
  ): Promise<FailoverAnswer> {
    return checked(await this.#exchange(caller, method, path, body, options))
  }

  readonly exchange: Exchange = (caller, method, path, body, options) =>
    this.#exchange(caller, method, path, body, options)

  #exchange(
    caller: RegistryCaller,
    method: Dispatcher.HttpMethod,
    path: string,
    body: object | undefined,
    options: RegistryCallOptions | undefined,
    version?: string
  ): Promise<FailoverAnswer> {
    const headers = ['authorization', this.#authorization]
    if (caller.project !== null) headers.push('tank-project', encodeURIComponent(caller.project))
    if (caller.user !== null) headers.push('tank-user', encodeURIComponent(caller.user))
    if (caller.scope === 'all') headers.push('tank-scope', 'all')
    if (caller.sees?.length) headers.push('tank-sees', caller.sees.join(','))
    if (caller.requestId !== '') headers.push('x-openstack-request-id', caller.requestId)
    if (version !== undefined) headers.push('if-match', `"${version}"`)
    if (body !== undefined) headers.push('content-type', 'application/json')
    return this.#servers.call({
      method,
      path,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs: this.#timeoutMs,
      signal: options?.signal
    })
  }
}

function document(answer: FailoverAnswer): RawDocument {
  const etag = text(answer.headers.etag) ?? ''
  return { body: answer.body, version: etag.startsWith('"') ? etag.slice(1, -1) : etag }
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}

function imagePath(id: string): string {
  return `/v1/images/${encodeURIComponent(id)}`
}

function membersPath(id: string, member?: string): string {
  const path = `${imagePath(id)}/members`
  return member === undefined ? path : `${path}/${encodeURIComponent(member)}`
}

function operationPath(id: string, action: string): string {
  return `/v1/operations/${encodeURIComponent(id)}/${action}`
}
