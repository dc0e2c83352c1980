import { randomBytes } from 'node:crypto'
import type { Store, StoredEntry } from '@tank/store'
import { openChaseStore } from '@tank/store-chase'
import { openS3Store } from '@tank/store-s3'
import { type Missing, missingVariable } from './require.ts'
import { until } from './wait.ts'

/** A real backend, and a place of its own in it. */
export interface Backend {
  readonly name: string
  /** What is missing to use it. */
  readonly missing: Missing
  /** Entry of `api.stores`. */
  readonly config: { readonly use: string; readonly [option: string]: unknown }
  /** Opens the same place beside the service. */
  open(): Promise<Store>
}

const env = (name: string) => process.env[name] ?? ''

/** A bucket of Ceph's S3; nobody else uses the prefix. */
export function s3Backend(options: object = {}): Backend {
  const own = {
    endpoint: env('TANK_TEST_S3_ENDPOINT'),
    bucket: env('TANK_TEST_S3_BUCKET'),
    accessKeyId: env('TANK_TEST_S3_ACCESS_KEY'),
    secretAccessKey: env('TANK_TEST_S3_SECRET_KEY'),
    prefix: `e2e-${randomBytes(6).toString('hex')}/`,
    ...options
  }
  return {
    name: 's3',
    missing: missingVariable('TANK_TEST_S3_ENDPOINT', 'e2e/servers/s3.sh start'),
    config: { use: '@tank/store-s3', ...own },
    open: () => openS3Store(own)
  }
}

/** A container of Swift that nobody else uses. */
export function chaseBackend(options: object = {}): Backend {
  const own = {
    authUrl: env('TANK_TEST_SWIFT_AUTH_URL'),
    user: env('TANK_TEST_SWIFT_USER'),
    key: env('TANK_TEST_SWIFT_KEY'),
    container: `e2e-${randomBytes(6).toString('hex')}`,
    createContainer: true,
    ...options
  }
  return {
    name: 'chase',
    missing: missingVariable('TANK_TEST_SWIFT_AUTH_URL', 'e2e/servers/swift.sh start'),
    config: { use: '@tank/store-chase', ...own },
    open: () => openChaseStore(own)
  }
}

/** Everything that the server says lies there: objects, parts and segments. */
export async function entriesOf(backend: Backend): Promise<StoredEntry[]> {
  const store = await backend.open()
  try {
    const entries: StoredEntry[] = []
    for await (const entry of store.list?.() ?? []) entries.push(entry)
    return entries
  } finally {
    await store.close?.()
  }
}

/** Waits until nothing lies there any more. */
export async function waitUntilEmpty(backend: Backend, ms: number): Promise<void> {
  let last: readonly StoredEntry[] = []
  await until(`nothing lies in ${backend.name}`, ms, async () => {
    last = await entriesOf(backend)
    return last.length === 0 ? true : undefined
  }).catch((cause: unknown) => {
    throw new Error(`${backend.name} still holds ${JSON.stringify(last)}`, { cause })
  })
}
