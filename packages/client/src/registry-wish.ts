import {
  customProperties,
  type ImageData,
  type ImageDocument,
  type ImageFields,
  type LocationsUpdate
} from '@tank/model'

/** True when an image, given as JSON text, already has every value that a patch asks for. */
export function fulfils(body: Buffer, fields: ImageFields): boolean {
  const image: ImageDocument = JSON.parse(body.toString('utf8'))
  const { tags, properties, ...plain } = fields
  if (tags !== undefined && !sameSet(tags, image.tags)) return false
  if (properties !== undefined && !sameMap(properties, customProperties(image))) return false
  return Object.entries(plain).every(([name, value]) => image[name] === value)
}

/** True when the data of an image lies where a patch wants it; their ids are of this one patch. */
export function areSo({ placements }: ImageData, { add, remove }: LocationsUpdate): boolean {
  const ids = new Set(placements.map(({ id }) => id))
  return add.every(({ id }) => ids.has(id)) && !remove.some((id) => ids.has(id))
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  const wanted = new Set(one)
  return wanted.size === other.length && other.every((tag) => wanted.has(tag))
}

function sameMap(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>
): boolean {
  const names = Object.keys(one)
  if (names.length !== Object.keys(other).length) return false
  return names.every((name) => Object.hasOwn(other, name) && other[name] === one[name])
}
