import { randomUUID } from 'node:crypto'
import {
  type ImageDocument,
  type ImageFields,
  type LocationsUpdate,
  type OutsideData,
  type RegistryCaller,
  TankError,
  type UpdateImage
} from '@tank/model'
import { disconnectSignal } from '@tank/service'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApiContext } from '../context.ts'
import { type Caller, registryCaller } from '../identity/caller.ts'
import type { PatchOperation } from '../images/json-patch.ts'
import { parseDocument } from '../images/mutate.ts'
import type { Signatures } from '../ingest/signatures.ts'
import { type LocationsPlan, type NewLocation, planLocations } from './apply-patch.ts'
import type { LocationOperation } from './patch-input.ts'
import { shownLocations } from './shown.ts'

interface Request {
  readonly caller: Caller
  readonly registryCaller: RegistryCaller
  readonly operations: readonly LocationOperation[]
  /** Ends the looking at locations. */
  readonly signal: AbortSignal
}

/** A plan, and the data that the image has. */
interface Draft {
  readonly plan: LocationsPlan
  readonly sha256: string | null
  /** Another one: new locations have to be looked at anew. */
  readonly state: string
}

/** Changes locations by PATCH. Looking at new ones takes its time, so it is done before the writing. */
class LocationsPatch {
  readonly #context: ApiContext
  readonly #request: Request
  /** Bytes by URL. */
  readonly #sizes = new Map<string, number>()
  #surveyed = ''

  constructor(context: ApiContext, request: Request) {
    this.#context = context
    this.#request = request
  }

  /** Checks everything, the new locations last. Throws as `planLocations` and `inspect` do. */
  async survey(image: ImageDocument): Promise<void> {
    const { plan, sha256, state } = await this.#draft(image)
    this.#surveyed = state
    for (const { url, store: name } of plan.added) {
      const store = this.#context.stores.get(name)
      if (store === undefined) throw new TankError('INTERNAL', 'a store is gone')
      const expected = { size: this.#expectedSize(image), sha256 }
      const outside = { store, location: url }
      const { signal } = this.#request
      this.#sizes.set(url, await this.#context.outside.inspect(outside, expected, signal))
    }
  }

  /** The change of an image that may have changed since; all locations have been looked at. */
  async update(image: ImageDocument): Promise<LocationsUpdate> {
    const { plan, state } = await this.#draft(image)
    if (plan.added.length > 0 && state !== this.#surveyed) {
      throw new TankError('IMAGE_BUSY', 'The data of the image has changed; try again')
    }
    return {
      add: plan.added.map((location) => this.#placement(location)),
      remove: plan.removed,
      describe: plan.described,
      data: image.status === 'queued' ? this.#data(plan) : null
    }
  }

  async #draft(image: ImageDocument): Promise<Draft> {
    const { registry, stores, config, policy } = this.#context
    const { caller, registryCaller, operations } = this.#request
    for (const { kind } of operations) {
      const action = kind === 'remove' ? 'delete_image_location' : 'set_image_location'
      policy.demand(caller, action, image)
    }
    const { blob, placements } = await registry.getImageData(registryCaller, image.id)
    const rules = { stores, limit: config.limits.locations, osHashAlgo: config.osHashAlgo }
    const plan = planLocations(image, shownLocations(stores, placements), operations, rules)
    const sha256 = blob?.sha256 ?? null
    if (image.status === 'queued') {
      demandFormats(image)
      demandUnsigned(this.#context.signatures, image)
    }
    return { plan, sha256, state: [image.status, blob?.id, sha256].join(' ') }
  }

  /** All locations of an image have the same data, also those that come together. */
  #expectedSize(image: ImageDocument): number | null {
    const [first = null] = this.#sizes.values()
    return image.status === 'queued' ? first : image.size
  }

  #placement({ store, url, metadata }: NewLocation): LocationsUpdate['add'][number] {
    const weight = this.#context.stores.entry(store)?.weight ?? 0
    return { id: randomUUID(), store, key: url, role: 'external', weight, metadata }
  }

  #data(plan: LocationsPlan): OutsideData {
    const [size] = this.#sizes.values()
    if (size === undefined) throw new TankError('INTERNAL', 'nobody has looked at the location')
    const { os_hash_algo = null, os_hash_value = null, checksum = null } = plan.digests ?? {}
    return { blob_id: randomUUID(), size, md5: checksum, os_hash_algo, os_hash_value }
  }
}

/** Data at a location is not looked at, so its format has to be told (F16). */
export function demandToldFormat(disk_format: ImageDocument['disk_format']): void {
  if (disk_format !== 'auto') return
  const wish = 'Data at a location is not looked at: say its format instead of auto'
  throw new TankError('INVALID_REQUEST', `Invalid value for 'disk_format': ${wish}`)
}

function demandFormats({ container_format, disk_format }: ImageDocument): void {
  demandToldFormat(disk_format)
  if (container_format !== null && disk_format !== null) return
  throw new TankError('INVALID_REQUEST', 'Set disk_format and container_format of the image first')
}

/**
 * Nobody reads the first location of an image before it counts, so no signature would be verified: the
 * data of a signed image comes another way (SG5).
 */
export function demandUnsigned(
  signatures: Signatures,
  image: Readonly<Record<string, unknown>>
): void {
  const { properties } = image
  // a patch that signs the image as well has the properties that it will have
  const isPatched = typeof properties === 'object' && properties !== null
  if (signatures.demanded(isPatched ? { ...properties } : image) === undefined) return
  throw new TankError(
    'INVALID_REQUEST',
    'The image is signed: add its location by POST /v2/images/{id}/locations, where it is verified, or send its data'
  )
}

type Change = (image: ImageDocument) => UpdateImage | undefined | Promise<UpdateImage | undefined>

/**
 * The change of an image by a patch: `fieldsOf` as it is, or with what its operations do to locations,
 * which have been looked at by then.
 */
export async function patchWithLocations(
  context: ApiContext,
  request: FastifyRequest<{ Params: { id: string } }>,
  reply: FastifyReply,
  operations: readonly PatchOperation[],
  fieldsOf: (image: ImageDocument) => ImageFields | undefined
): Promise<Change> {
  const located = operations.flatMap(({ locations }) => locations ?? [])
  if (located.length === 0) return fieldsOf
  const caller = registryCaller(request)
  const patch = new LocationsPatch(context, {
    caller: request.caller,
    registryCaller: caller,
    operations: located,
    signal: disconnectSignal(reply)
  })
  const raw = await context.registry.getImage(caller, request.params.id)
  const image = parseDocument(raw)
  await patch.survey({ ...image, ...fieldsOf(image) })
  return async (current) => {
    const fields = fieldsOf(current)
    return { ...fields, locations: await patch.update({ ...current, ...fields }) }
  }
}
