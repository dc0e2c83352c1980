import { TankClientError } from './errors.ts'
import {
  type CallOptions,
  type ImageHttp,
  isRecord,
  REMOVAL,
  readList,
  readObject,
  toRecord
} from './image-http.ts'

/** A store of the service. */
export interface StoreInfo {
  readonly id: string
  readonly description: string | undefined
  readonly isDefault: boolean
  readonly isReadOnly: boolean
  /** Only with `detail`: `file`, `s3`, … */
  readonly type: string | undefined
  /** Only with `detail`. */
  readonly weight: number | undefined
  /** Only with `detail`. */
  readonly properties: Readonly<Record<string, unknown>> | undefined
}

/** Stores of the service. */
export interface Stores {
  /** Stores of the service; with `detail` for administrators. */
  list(options?: CallOptions & { readonly detail?: boolean }): Promise<StoreInfo[]>
  /** Removes the data of an image from one of its stores. */
  removeImage(store: string, imageId: string, options?: CallOptions): Promise<void>
}

/** What a project has and may have; `limit` is -1 without one. */
export interface QuotaUsage {
  readonly limit: number
  readonly usage: number
}

/** What the service can do, and what a project uses of it. */
export interface Info {
  /** Names of the import methods that are enabled. */
  importMethods(options?: CallOptions): Promise<string[]>
  /** By the name of the quota; sizes in MiB. Empty without limits. */
  usage(options?: CallOptions): Promise<Readonly<Record<string, QuotaUsage>>>
}

export function createStores(http: ImageHttp): Stores {
  return {
    async list({ detail = false, ...options } = {}) {
      const path = `/v2/info/stores${detail ? '/detail' : ''}`
      const answer = await http.call({ method: 'GET', path, repeat: 'always', ...options })
      return readList(answer, 'stores').map(toStore)
    },
    async removeImage(store, imageId, options) {
      const path = `/v2/stores/${encodeURIComponent(store)}/${encodeURIComponent(imageId)}`
      await http.call({ method: 'DELETE', path, ...REMOVAL, ...options })
    }
  }
}

export function createInfo(http: ImageHttp): Info {
  const read = async (part: string, options: CallOptions | undefined) => {
    const path = `/v2/info/${part}`
    return readObject(await http.call({ method: 'GET', path, repeat: 'always', ...options }))
  }
  return {
    async importMethods(options) {
      const { 'import-methods': methods } = await read('import', options)
      const value = isRecord(methods) ? methods.value : undefined
      if (!Array.isArray(value)) {
        throw new TankClientError('BAD_ANSWER', 'the server names no import methods')
      }
      return value.map(String)
    },
    async usage(options) {
      const { usage } = await read('usage', options)
      if (!isRecord(usage)) throw new TankClientError('BAD_ANSWER', 'the server tells no usage')
      return Object.fromEntries(
        Object.entries(usage).map(([name, each]) => {
          const { limit, usage: used } = isRecord(each) ? each : {}
          return [name, { limit: Number(limit), usage: Number(used) }]
        })
      )
    }
  }
}

function toStore(value: unknown): StoreInfo {
  const store = toRecord(value, 'id', 'store')
  const { id, description, type, weight, properties } = store
  return {
    id: String(id),
    description: typeof description === 'string' ? description : undefined,
    isDefault: String(store.default) === 'true',
    isReadOnly: String(store['read-only']) === 'true',
    type: typeof type === 'string' ? type : undefined,
    weight: typeof weight === 'number' ? weight : undefined,
    properties: isRecord(properties) ? properties : undefined
  }
}
