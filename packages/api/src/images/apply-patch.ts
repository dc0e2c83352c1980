import { customProperties, type ImageDocument, type ImageFields, TankError } from '@tank/model'
import type { Caller } from '../identity/caller.ts'
import { demandNewProperty, demandPropertyChange } from '../policy/property-protections.ts'
import { checkCount, distinctTags, isWritableAttribute } from './attributes.ts'
import type { PatchOperation } from './json-patch.ts'
import { demandVisibility, type ImageRules } from './new-image.ts'

/** Properties that count: the service's own bookkeeping does not. */
function countOwn(properties: Readonly<Record<string, string>>): number {
  return Object.keys(properties).filter((name) => !name.startsWith('os_glance')).length
}

function applyProperty(
  properties: Record<string, string>,
  operation: PatchOperation,
  caller: Caller,
  { protections }: ImageRules
): void {
  const { op, name, value, dialect } = operation
  const exists = Object.hasOwn(properties, name)
  if (op === 'add' && !exists) demandNewProperty(protections, caller, name)
  else demandPropertyChange(protections, caller, op === 'remove' ? 'delete' : 'update', name)
  if (op === 'add' && exists && dialect === 'v2.0')
    throw new TankError('PROPERTY_CONFLICT', `Property '${name.slice(0, 255)}' already exists.`)
  if (op !== 'add' && !exists)
    throw new TankError('PROPERTY_CONFLICT', `Property '${name.slice(0, 255)}' does not exist.`)
  if (op === 'remove') delete properties[name]
  else properties[name] = value as string
}

function checkAttribute(
  operation: PatchOperation,
  image: ImageDocument,
  caller: Caller,
  { limits, policy }: ImageRules
): void {
  const { op, name, value, dialect } = operation
  if (op === 'add' && dialect === 'v2.0')
    throw new TankError('PROPERTY_CONFLICT', `Attribute '${name}' already exists.`)
  if (name === 'owner' && !policy.may(caller, 'set_owner', image))
    throw new TankError('FORBIDDEN', 'You are not permitted to change the owner of an image.')
  if ((name === 'disk_format' || name === 'container_format') && image.status !== 'queued')
    throw new TankError(
      'FORBIDDEN',
      `Attribute '${name}' can be changed only while the image is queued.`
    )
  if (name === 'visibility')
    demandVisibility(policy, caller, { visibility: value } as ImageFields, image)
  if (name === 'tags') checkCount('tags', distinctTags(value as string[]).length, limits.tags)
}

/**
 * The fields that a patch changes (P7–P16), all or none: any operation that fails throws and leaves
 * the image as it is. Undefined when nothing changes.
 */
export function applyPatch(
  image: ImageDocument,
  operations: readonly PatchOperation[],
  caller: Caller,
  rules: ImageRules
): ImageFields | undefined {
  if (operations.length === 0) return undefined
  const fields: Record<string, unknown> = {}
  const properties = customProperties(image)
  const before = countOwn(properties)
  let touched = false
  for (const operation of operations) {
    // who works on records knows nothing of where data lies
    if (operation.locations !== undefined) continue
    if (!isWritableAttribute(operation.name)) {
      applyProperty(properties, operation, caller, rules)
      touched = true
      continue
    }
    checkAttribute(operation, image, caller, rules)
    fields[operation.name] =
      operation.name === 'tags' ? distinctTags(operation.value as string[]) : operation.value
  }
  if (touched) {
    const after = countOwn(properties)
    if (after > before) checkCount('properties', after, rules.limits.properties)
    fields.properties = properties
  }
  return fields
}
