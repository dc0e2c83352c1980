import { METADEF_SCHEMAS } from '@tank/model'
import { pageOf } from './schema-documents.ts'

const { namespace, definitions, propertyMap } = METADEF_SCHEMAS

const readOnly = (format?: string) => ({
  type: 'string',
  readOnly: true,
  ...(format === undefined ? {} : { format })
})
const times = { created_at: readOnly('date-time'), updated_at: readOnly('date-time') }
const links = { self: readOnly(), schema: readOnly() }
const strict = { additionalProperties: false }

/** Properties by their names; each schema that uses it has it among its definitions. */
const properties = { $ref: '#/definitions/property' }
const shared = { definitions: { property: propertyMap } }

const object = {
  ...definitions.objects,
  properties: { ...definitions.objects.properties, properties, ...times, ...links }
}
const resourceType = {
  ...definitions.resource_types,
  properties: { ...definitions.resource_types.properties, ...times }
}
const tag = { ...definitions.tags, properties: { ...definitions.tags.properties, ...times } }

/** Each kind: its schema, and what refers to properties in it. */
const ITEMS = {
  namespace: {
    name: 'namespace',
    required: ['namespace'],
    properties: {
      ...namespace,
      ...times,
      ...links,
      resource_type_associations: { type: 'array', items: { type: 'object', ...resourceType } },
      properties,
      objects: { type: 'array', items: { type: 'object', ...object } },
      tags: { type: 'array', items: { type: 'object', ...tag } }
    },
    ...strict
  },
  object: { name: 'object', ...object, ...strict },
  property: { name: 'property', ...definitions.properties, ...strict },
  tag: { name: 'tag', ...tag, ...strict },
  resource_type: { name: 'resource_type_association', ...resourceType, ...strict }
}

const list = (items: object) => ({ type: 'array', items })

/** The schema documents of metadata definitions by name (R26). */
export const METADEF_SCHEMA_DOCUMENTS: Readonly<Record<string, object>> = {
  'metadefs/namespace': { ...ITEMS.namespace, ...shared },
  'metadefs/namespaces': { ...pageOf('namespaces', list(ITEMS.namespace)), ...shared },
  'metadefs/object': { ...ITEMS.object, ...shared },
  'metadefs/objects': { ...pageOf('objects', list(ITEMS.object)), ...shared },
  'metadefs/property': { ...ITEMS.property, ...shared },
  'metadefs/properties': {
    ...pageOf('properties', {
      type: 'object',
      additionalProperties: propertyMap.additionalProperties
    }),
    ...shared
  },
  'metadefs/tag': ITEMS.tag,
  'metadefs/tags': pageOf('tags', list(ITEMS.tag)),
  'metadefs/resource_type': ITEMS.resource_type,
  'metadefs/resource_types': pageOf('resource_type_associations', list(ITEMS.resource_type))
}
