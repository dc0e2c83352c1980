import { randomUUID } from 'node:crypto'
import {
  type AnnouncedData,
  type EnqueueOperation,
  LIMITS,
  type LocationsUpdate,
  type RegistryCaller,
  TankError
} from '@tank/model'
import type { Store } from '@tank/store'
import type { ApiContext } from '../../context.ts'
import { importInput } from '../../imports/import-input.ts'
import { storeForUri } from '../../imports/uri.ts'
import { demandToldFormat, demandUnsigned } from '../../locations/patch.ts'
import { demandFormats, type Formats } from './formats.ts'
import type { Target } from './target.ts'

/** Data that lies elsewhere, and the store that reads it. */
export interface Source {
  readonly url: string
  readonly storeName: string
  readonly store: Store
}

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\/./i

/**
 * Who reads a location (v1 1.8). Only what lies on the web is read: nothing that a client writes leads
 * to a file, or to a store of the configuration and its credentials (S-07). Throws INVALID_REQUEST.
 */
export function sourceOf(
  { stores, config }: ApiContext,
  url: string,
  use: 'copy' | 'stay'
): Source {
  const scheme = SCHEME.exec(url)?.[1]?.toLowerCase()
  if (scheme === undefined || !URL.canParse(url)) {
    throw new TankError('INVALID_REQUEST', 'Invalid location: it is no URL')
  }
  const readers = stores.names().filter((name) => stores.get(name)?.accepts !== undefined)
  const isWeb = scheme === 'http' || scheme === 'https'
  const mayCopy = use === 'stay' || config.imports.methods.includes('web-download')
  if (!isWeb || readers.length === 0 || !mayCopy) {
    throw new TankError(
      'INVALID_REQUEST',
      `External sourcing not supported for store '${scheme.slice(0, 64)}'`
    )
  }
  const storeName = storeForUri(stores, url)
  const store = storeName === undefined ? undefined : stores.get(storeName)
  if (storeName === undefined || store === undefined) {
    throw new TankError(
      'INVALID_REQUEST',
      'Invalid location: it has to be a plain URL that this service may read, without credentials'
    )
  }
  return { url, storeName, store }
}

/** Bytes at a location. Throws INVALID_REQUEST when it cannot be read, IMAGE_STATE for another size. */
export async function sizeAt(
  context: ApiContext,
  { url, store }: Source,
  announced: number | undefined,
  signal: AbortSignal
): Promise<number> {
  if (url.length > LIMITS.locationUrlLength) {
    const most = LIMITS.locationUrlLength
    throw new TankError('INVALID_REQUEST', `Invalid location: it has more than ${most} characters`)
  }
  const expected = { size: null, sha256: null }
  const size = await context.outside.inspect({ store, location: url }, expected, signal)
  if (announced === undefined || announced === size) return size
  throw new TankError(
    'IMAGE_STATE',
    `The data at the location has ${size} bytes, but ${announced} were announced`
  )
}

/**
 * Throws INVALID_REQUEST unless data at a location may be that of an image with these formats and
 * properties: nobody looks at it (F16, SG5).
 */
export function demandAttachable(
  { signatures }: ApiContext,
  formats: Formats,
  properties: Readonly<Record<string, unknown>>
): void {
  demandFormats(formats)
  demandToldFormat(formats.disk_format)
  demandUnsigned(signatures, properties)
}

/** Data at a location, and what was found out about it. */
export interface LocatedData {
  readonly source: Source
  /** bytes */
  readonly size: number
  readonly checksum: string | null
}

function attachment(
  context: ApiContext,
  { source: { url, storeName }, size, checksum }: LocatedData
): LocationsUpdate {
  const weight = context.stores.entry(storeName)?.weight ?? 0
  const placement = {
    id: randomUUID(),
    store: storeName,
    key: url,
    role: 'external',
    weight
  } as const
  return {
    add: [placement],
    remove: [],
    describe: [],
    data: {
      blob_id: randomUUID(),
      size,
      md5: checksum,
      os_hash_algo: null,
      os_hash_value: null
    }
  }
}

/** Makes a location the data of an image: it stays where it is. Throws as `demandAttachable` does. */
export async function attach(
  context: ApiContext,
  caller: RegistryCaller,
  id: string,
  data: LocatedData
): Promise<void> {
  const locations = attachment(context, data)
  await context.images.update(caller, id, (image) => {
    demandAttachable(context, image, image)
    return { locations }
  })
}

/** The background work that copies what lies elsewhere into a store of ours. */
export function copyWork(
  imageId: string,
  { url, storeName: reader }: Source,
  { storeName }: Target,
  announced: AnnouncedData
): EnqueueOperation {
  const body = { method: { name: 'web-download', uri: url } }
  return {
    id: randomUUID(),
    kind: 'import',
    image_id: imageId,
    from: ['queued'],
    to: 'saving',
    fallback: 'killed',
    stores: [storeName],
    must_succeed: true,
    input: { ...importInput(imageId, { body }, [storeName]), announced },
    location: null,
    outside: { blob_id: randomUUID(), store: reader }
  }
}
