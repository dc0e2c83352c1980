import { BASE_ATTRIBUTES, type ImageDocument, type ImportedFields, TankError } from '@tank/model'
import type { Caller } from '../identity/caller.ts'
import { applyPatch } from '../images/apply-patch.ts'
import { checkValue, isReserved } from '../images/attributes.ts'
import type { PatchOperation } from '../images/json-patch.ts'
import type { ImageRules } from '../images/new-image.ts'
import type { RemoteImage } from '../remotes/remote-image.ts'

export interface TakeOverRules {
  readonly caller: Caller
  readonly rules: ImageRules
  /** Beginnings of the names of properties that are taken over. */
  readonly prefixes: readonly string[]
}

function isTaken(name: string, prefixes: readonly string[]): boolean {
  if (BASE_ATTRIBUTES.has(name) || isReserved(name)) return false
  return prefixes.some((prefix) => name.startsWith(prefix))
}

/**
 * The fields that an image takes over from another one (IMP18), as if the caller had written them: its
 * formats, and the properties that are not kept back. Throws IMAGE_STATE, INVALID_REQUEST, FORBIDDEN or
 * LIMIT_EXCEEDED.
 */
export function takeOver(
  { diskFormat, containerFormat, properties }: RemoteImage,
  image: ImageDocument,
  { caller, rules, prefixes }: TakeOverRules
): ImportedFields {
  if (diskFormat === null || containerFormat === null) {
    throw new TankError('IMAGE_STATE', 'The image in the other region has no formats')
  }
  const taken = Object.entries(properties).filter(([name]) => isTaken(name, prefixes))
  const wanted: [string, string][] = [
    ['disk_format', diskFormat],
    ['container_format', containerFormat],
    ...taken
  ]
  const operations = wanted
    .filter(([name, value]) => !(Object.hasOwn(image, name) && image[name] === value))
    .map(([name, value]): PatchOperation => {
      checkValue(name, value)
      return { op: 'add', name, value, dialect: 'v2.1' }
    })
  return applyPatch(image, operations, caller, rules) ?? {}
}
