import { BASE_ATTRIBUTES, type ImageFields, LIMITS, TankError, textLength } from '@tank/model'

function checkProperty(name: string, value: string): void {
  if (name === '' || textLength(name) > LIMITS.propertyNameLength) {
    throw new TankError(
      'INVALID_REQUEST',
      'The name of a property has to have 1 to 255 characters.'
    )
  }
  if (BASE_ATTRIBUTES.has(name)) {
    throw new TankError('INVALID_REQUEST', 'A property has the name of an attribute.')
  }
  if (Buffer.byteLength(value) > LIMITS.propertyValueBytes) {
    throw new TankError('INVALID_REQUEST', 'The value of a property is longer than 65535 bytes.')
  }
}

/** The rules for properties that a route schema cannot say. */
export function checkFields(fields: ImageFields): void {
  for (const [name, value] of Object.entries(fields.properties ?? {})) checkProperty(name, value)
}

/** Tags are a set. */
export function uniqueTags(tags: readonly string[]): string[] {
  return [...new Set(tags)]
}
