import { type CallOptions, StoreError } from '@tank/store'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import type { Account, Call } from './account.ts'
import type { Names } from './names.ts'
import type { HttpAnswer } from './transport.ts'

/** What a HEAD says of an object. */
export interface ObjectHead {
  readonly size: number | undefined
  readonly etag: string | undefined
  /** A list of segments, in place of the bytes themselves. */
  readonly isManifest: boolean
  /** The put that made it, when it was one of ours. */
  readonly put: string | undefined
}

const listedObject = Type.Object({
  name: Type.String(),
  bytes: Type.Integer({ minimum: 0 }),
  hash: Type.Optional(Type.String()),
  last_modified: Type.Optional(Type.String()),
  slo_etag: Type.Optional(Type.String())
})
const listing = Type.Array(Type.Union([listedObject, Type.Object({ subdir: Type.String() })]))

export type ListedObject = Static<typeof listedObject>

/** Where an object keeps which put made it. */
export const PUT_HEADER = 'x-object-meta-tank-put'

// 10,000 names are what servers give at most; a thousand answer soon and take little memory.
const PAGE = 1_000
const DELETES = 8

/** The container of the images: what is done with single objects and with their names. */
export class Container {
  readonly names: Names
  readonly #account: Account
  readonly #create: boolean

  constructor(account: Account, names: Names, create: boolean) {
    this.#account = account
    this.names = names
    this.#create = create
  }

  call(name: string, call: Omit<Call, 'path'>): Promise<HttpAnswer> {
    return this.#account.call({ ...call, path: this.names.path(name) })
  }

  /** Undefined when there is no such object; DENIED when there is no container. */
  async head(name: string, options: CallOptions): Promise<ObjectHead | undefined> {
    const answer = await this.call(name, {
      ...options,
      method: 'HEAD',
      accept: [404],
      what: 'to look at an object'
    })
    await answer.body.skip()
    if (answer.status === 404) {
      await this.confirm(options)
      return undefined
    }
    return readHead(answer)
  }

  /** Rejects when the container is not there: what is not to be seen is not gone. */
  async confirm(options: CallOptions): Promise<void> {
    const answer = await this.#account.call({
      ...options,
      method: 'HEAD',
      path: this.names.containerPath(),
      accept: [404],
      what: 'to look at the container'
    })
    await answer.body.skip()
    if (answer.status === 404) await this.#make(options)
  }

  /** Writes an object; makes the container when it is missing and that was asked for. */
  async put(name: string, call: Omit<Call, 'path' | 'method'>): Promise<HttpAnswer> {
    const accept = [404, ...(call.accept ?? [])]
    for (let isMade = false; ; isMade = true) {
      const answer = await this.call(name, { ...call, method: 'PUT', accept })
      if (answer.status !== 404) return answer
      await answer.body.skip()
      if (isMade || call.once) throw this.#missing()
      await this.#make(call)
    }
  }

  /** Resolves when there is no such object, whether or not there was. */
  async remove(name: string, options: CallOptions): Promise<void> {
    const what = 'to delete an object'
    const answer = await this.call(name, { ...options, method: 'DELETE', accept: [404], what })
    await answer.body.skip()
  }

  async removeAll(names: Iterable<string>, options: CallOptions): Promise<void> {
    const left = names[Symbol.iterator]()
    const work = async () => {
      for (let step = left.next(); step.done !== true; step = left.next()) {
        await this.remove(step.value, options)
      }
    }
    await Promise.all(Array.from({ length: DELETES }, work))
  }

  /** Objects by name, in the order of their bytes. */
  async *list(prefix: string, options: CallOptions): AsyncGenerator<ListedObject> {
    for (let marker = ''; ; ) {
      const page = await this.#page(prefix, marker, options)
      const last = page.at(-1)
      if (last === undefined) return
      for (const entry of page) if ('name' in entry) yield entry
      marker = 'name' in last ? last.name : last.subdir
    }
  }

  async #page(
    prefix: string,
    marker: string,
    options: CallOptions
  ): Promise<Static<typeof listing>> {
    const query = new URLSearchParams({ format: 'json', limit: String(PAGE), prefix, marker })
    const answer = await this.#account.call({
      ...options,
      method: 'GET',
      path: this.names.containerPath(),
      query: query.toString(),
      accept: [404],
      what: 'to list the container'
    })
    if (answer.status === 404) {
      await answer.body.skip()
      await this.#make(options)
      return []
    }
    const text = answer.status === 204 ? '[]' : await answer.body.text(64 * 1024 * 1024)
    const page: unknown = JSON.parse(text)
    if (Value.Check(listing, page)) return page
    throw new StoreError('FAILED', 'the server’s list of the container cannot be read')
  }

  async #make(options: CallOptions): Promise<void> {
    if (!this.#create) throw this.#missing()
    const { signal } = options
    const path = this.names.containerPath()
    const what = 'to make the container'
    const answer = await this.#account.call({ signal, method: 'PUT', path, what })
    await answer.body.skip()
  }

  #missing(): StoreError {
    const hint = 'make it, or set createContainer'
    return new StoreError('DENIED', `there is no container "${this.names.container}": ${hint}`)
  }
}

export function readHead(answer: HttpAnswer): ObjectHead {
  const length = answer.header('content-length')
  return {
    size: length === undefined ? undefined : Number(length),
    etag: etagOf(answer),
    isManifest: /^true$/i.test(answer.header('x-static-large-object') ?? ''),
    put: answer.header(PUT_HEADER)
  }
}

/** Swift quotes the ETags of manifests and no others. */
export function etagOf(answer: HttpAnswer): string | undefined {
  return answer.header('etag')?.replace(/^(W\/)?"(.*)"$/, '$2')
}
