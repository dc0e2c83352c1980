import type { LocationMetadata, Placement } from '@tank/model'
import type { Stores } from '@tank/store'

/** A location as people see it, with the placement behind it. */
export interface ShownLocation {
  readonly id: string
  readonly store: string
  readonly url: string
  readonly metadata: LocationMetadata
}

/** What is said about a location, and the store it is in, which nobody else says. */
export function shownMetadata(metadata: LocationMetadata, store: string): LocationMetadata {
  return { ...metadata, store }
}

/** Locations by their age; those of stores that do not show addresses are left out. */
export function shownLocations(
  stores: Stores,
  placements: readonly Placement[]
): readonly ShownLocation[] {
  return placements.flatMap(({ id, store, key, role, metadata = {} }) => {
    const url = role === 'external' ? key : stores.get(store)?.url?.(key).href
    return url === undefined ? [] : [{ id, store, url, metadata: shownMetadata(metadata, store) }]
  })
}

/** The location in the heaviest store, by name among equals (STO12). */
export function directUrl(stores: Stores, locations: readonly ShownLocation[]): string | undefined {
  const weight = ({ store }: ShownLocation): number => stores.entry(store)?.weight ?? 0
  const byName = (a: ShownLocation, b: ShownLocation) => (a.store < b.store ? -1 : 1)
  const [best] = [...locations].sort((a, b) => weight(b) - weight(a) || byName(a, b))
  return best?.url
}
