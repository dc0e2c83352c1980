import type { RegistryClient } from '@tank/client'
import type { ImageData } from '@tank/model'
import { createLogger } from '@tank/service'
import type { Store, Stores } from '@tank/store'
import type { JobContext, JobRun } from '../src/background/job.ts'
import { createStoreCircuits } from '../src/download/store-circuits.ts'
import { createDigestPool } from '../src/ingest/digests.ts'
import type { Remotes } from '../src/remotes/remotes.ts'

const log = createLogger({ level: 'silent' })
export const never: AbortSignal = new AbortController().signal

export function storesOf(all: Readonly<Record<string, Partial<Store>>>): Stores {
  const get = (name: string) => all[name] as Store | undefined
  const entry = (name: string) => {
    const store = get(name)
    return store && { name, store, weight: 0, description: undefined }
  }
  return {
    add: () => {
      throw new Error('sealed')
    },
    get,
    entry,
    names: () => Object.keys(all),
    default: 'a'
  }
}

export function dataOf(size: number, sha256: string | null): ImageData {
  const blob = { id: 'b', size, sha256, md5: null, os_hash_algo: null, os_hash_value: null }
  return {
    id: 'i',
    status: 'active',
    visibility: 'shared',
    owner: null,
    updated_at: '',
    blob: { ...blob, virtual_size: null, format: null, completed_at: '' },
    placements: [{ id: 'p', store: 'a', key: 'k', role: 'data' }]
  }
}

const remotes: Remotes = {
  readers: [],
  region() {
    throw new Error('no region is asked')
  },
  close: async () => {}
}

export function contextOf(registry: object, stores: Stores): JobContext {
  return {
    registry: registry as RegistryClient,
    reading: { stores, circuits: createStoreCircuits(1000), storeMs: 5000 },
    digests: createDigestPool(),
    signatures: { demanded: () => undefined },
    remotes,
    cap: 2 ** 40,
    osHashAlgo: 'sha256',
    md5: true,
    secureHashing: true,
    inspection: {
      requireMatch: true,
      maxVirtualSize: 2 ** 40,
      severities: {},
      properties: { isFree: () => true, limit: null }
    },
    stallMs: 60_000,
    garbageLeft: () => {}
  }
}

export const runOf = (fields: object = {}) =>
  ({ signal: never, advance: () => {}, log, ...fields }) as unknown as JobRun
