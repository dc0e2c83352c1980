import type { DefinitionDocument, NamespaceDocument } from '@tank/model'

/** What a resource type puts before the names of properties; undefined when it is not linked. */
export function prefixFor(namespace: NamespaceDocument, type: string): string | undefined {
  const link = namespace.resource_types.find(({ name }) => name === type)
  if (link === undefined) return undefined
  return typeof link.prefix === 'string' ? link.prefix : ''
}

function inObject(object: DefinitionDocument, prefix: string): DefinitionDocument {
  const { properties, required } = object
  const named = Object.entries(properties ?? {}).map(([name, value]) => [prefix + name, value])
  return {
    ...object,
    ...(properties === undefined ? {} : { properties: Object.fromEntries(named) }),
    ...(Array.isArray(required) ? { required: required.map((name) => `${prefix}${name}`) } : {})
  }
}

/** The namespace with the names that its properties have on resources of a type (MDF11). */
export function withPrefix(namespace: NamespaceDocument, type: string): NamespaceDocument {
  const prefix = prefixFor(namespace, type) ?? ''
  if (prefix === '') return namespace
  return {
    ...namespace,
    objects: namespace.objects.map((object) => inObject(object, prefix)),
    properties: namespace.properties.map((one) => ({ ...one, name: prefix + one.name }))
  }
}
