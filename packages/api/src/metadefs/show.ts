import type { Definition, DefinitionDocument, NamespaceDocument, NamespaceRow } from '@tank/model'

const NAMESPACES = '/v2/metadefs/namespaces'
const SCHEMAS = '/v2/schemas/metadefs'

/** A name as part of a path; colons, which most have, may stay. */
const segment = (name: string) => encodeURIComponent(name).replaceAll('%3A', ':')

/** Where a namespace is, below the address of the service. */
export function namespacePath(name: string): string {
  return `${NAMESPACES}/${segment(name)}`
}

/** An object as the API shows it. */
export function shownObject(namespace: string, object: DefinitionDocument) {
  const self = `${namespacePath(namespace)}/objects/${segment(object.name)}`
  return { ...object, self, schema: `${SCHEMAS}/object` }
}

/** A property alone: with its name, and without times. */
export function shownProperty({
  created_at: _made,
  updated_at: _changed,
  ...property
}: DefinitionDocument) {
  return property
}

/** Properties by their names. */
export function propertyMap(properties: readonly DefinitionDocument[]) {
  const entries = properties.map((property) => {
    const { name, ...fields } = shownProperty(property)
    return [name, fields] as const
  })
  return Object.fromEntries(entries)
}

/** Tags in a list. */
export function shownTags(tags: readonly Definition[]) {
  return tags.map(({ name }) => ({ name }))
}

/** A namespace as lists show it; what is not set is left out (MD9). */
export function shownRow({ resource_types: types, ...fields }: NamespaceRow) {
  const set = Object.entries(fields).filter(([, value]) => value !== null)
  return {
    ...Object.fromEntries(set),
    ...(types.length === 0 ? {} : { resource_type_associations: types }),
    self: namespacePath(fields.namespace),
    schema: `${SCHEMAS}/namespace`
  }
}

/** A namespace with all that is in it. */
export function shownNamespace(document: NamespaceDocument) {
  const { objects, properties, tags, ...row } = document
  return {
    ...shownRow(row),
    ...(objects.length === 0
      ? {}
      : { objects: objects.map((object) => shownObject(row.namespace, object)) }),
    ...(properties.length === 0 ? {} : { properties: propertyMap(properties) }),
    ...(tags.length === 0 ? {} : { tags: shownTags(tags) })
  }
}
