import { isDeepStrictEqual } from 'node:util'
import { type ImageDocument, type LocationMetadata, TankError } from '@tank/model'
import type { Stores } from '@tank/store'
import { checkCount } from '../images/attributes.ts'
import { mergeDigests } from './digests.ts'
import { storeForLocation } from './find-store.ts'
import type { GivenLocation, LocationOperation, SaidDigests } from './patch-input.ts'
import { type ShownLocation, shownMetadata } from './shown.ts'

/** A location that the image gets. */
export interface NewLocation {
  readonly store: string
  readonly url: string
  readonly metadata: LocationMetadata
}

/** What a patch does to locations, before anybody has looked at the new ones. */
export interface LocationsPlan {
  readonly added: readonly NewLocation[]
  /** Ids of placements. */
  readonly removed: readonly string[]
  readonly described: readonly { readonly id: string; readonly metadata: LocationMetadata }[]
  readonly digests: SaidDigests | null
}

export interface LocationRules {
  readonly stores: Stores
  /** Most locations of an image; negative: any number. */
  readonly limit: number
  /** The one algorithm of digests that are given. */
  readonly osHashAlgo: string
}

type Entry = NewLocation & { readonly id: string | null }

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

function demandStatus({ status }: ImageDocument, ...allowed: readonly string[]): void {
  if (allowed.includes(status)) return
  throw new TankError('IMAGE_STATE', `The image is ${status}, its locations cannot be changed so`)
}

/** Only addresses of the web, whoever asks (PL5, S-07). */
function storeOf(stores: Stores, url: string): string {
  try {
    return storeForLocation(stores, url, false)
  } catch (cause) {
    throw new TankError('INVALID_REQUEST', 'No store of this service reads such locations', {
      cause
    })
  }
}

/** The locations of an image while a patch goes over them. */
class Draft {
  readonly #rules: LocationRules
  readonly #before: readonly ShownLocation[]
  #entries: Entry[]

  constructor(rules: LocationRules, before: readonly ShownLocation[]) {
    this.#rules = rules
    this.#before = before
    this.#entries = [...before]
  }

  add({ url, metadata: given }: GivenLocation, at: number | 'end'): void {
    if (at !== 'end' && at > this.#entries.length) invalid('There is no such position')
    const store = storeOf(this.#rules.stores, url)
    this.#entries.push({ id: null, store, url, metadata: shownMetadata(given, store) })
    this.#demandDistinct()
    checkCount('locations', this.#entries.length, this.#rules.limit)
  }

  /** Sets the list where there is none; else only what is said about each (PL4). */
  replace(given: readonly GivenLocation[]): void {
    if (this.#entries.length === 0) {
      for (const location of given) this.add(location, 'end')
      return
    }
    const left = [...given]
    this.#entries = this.#entries.map((entry) => {
      const at = left.findIndex(({ url }) => url === entry.url)
      const [location] = at === -1 ? [] : left.splice(at, 1)
      if (location === undefined) invalid('Locations can be replaced by the same ones only')
      return { ...entry, metadata: shownMetadata(location.metadata, entry.store) }
    })
    if (left.length > 0) invalid('Locations can be replaced by the same ones only')
    this.#demandDistinct()
  }

  remove(at: number): void {
    if (this.#entries.length === 1) {
      throw new TankError('FORBIDDEN', 'The last location of an image cannot be removed')
    }
    if (at >= this.#entries.length) invalid('There is no such position')
    this.#entries.splice(at, 1)
  }

  #demandDistinct(): void {
    const isTwice = this.#entries.some((entry, at) =>
      this.#entries.slice(0, at).some(({ url, metadata }) => {
        return url === entry.url && isDeepStrictEqual(metadata, entry.metadata)
      })
    )
    if (isTwice) invalid('The image has this location already')
  }

  changes(): Omit<LocationsPlan, 'digests'> {
    const left = new Map(this.#entries.map((entry) => [entry.id, entry]))
    return {
      added: this.#entries.filter(({ id }) => id === null),
      removed: this.#before.filter(({ id }) => !left.has(id)).map(({ id }) => id),
      described: this.#before.flatMap(({ id, metadata }) => {
        const entry = left.get(id)
        if (entry === undefined || isDeepStrictEqual(entry.metadata, metadata)) return []
        return [{ id, metadata: entry.metadata }]
      })
    }
  }
}

/**
 * What operations on `locations` come to, in their order (PL1–PL8).
 * Throws INVALID_REQUEST, FORBIDDEN, IMAGE_STATE, PROPERTY_CONFLICT or LIMIT_EXCEEDED.
 */
export function planLocations(
  image: ImageDocument,
  before: readonly ShownLocation[],
  operations: readonly LocationOperation[],
  rules: LocationRules
): LocationsPlan {
  const draft = new Draft(rules, before)
  const given: GivenLocation[] = []
  for (const operation of operations) {
    if (operation.kind === 'remove') {
      demandStatus(image, 'active')
      draft.remove(operation.at)
      continue
    }
    demandStatus(image, 'active', 'queued')
    if (operation.kind === 'add') draft.add(operation.location, operation.at)
    else draft.replace(operation.locations)
    given.push(...(operation.kind === 'add' ? [operation.location] : operation.locations))
  }
  const said = given.flatMap(({ digests }) => digests ?? [])
  return { ...draft.changes(), digests: mergeDigests(image, said, rules.osHashAlgo) }
}
