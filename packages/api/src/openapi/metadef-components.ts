import { METADEF_SCHEMAS } from '@tank/model'

const { namespace, definitions, propertyMap } = METADEF_SCHEMAS
const time = { type: 'string', format: 'date-time' }
const times = { created_at: time, updated_at: time }
const links = { self: { type: 'string' }, schema: { type: 'string' } }
const list = (name: string) => ({
  type: 'array',
  items: { $ref: `${name}#` }
})

const resourceTypes = { resource_type_associations: list('MetadefResourceType') }
const contents = {
  objects: list('MetadefObject'),
  properties: propertyMap,
  tags: list('MetadefTag')
}
const shown = { ...namespace, ...times, ...links, ...resourceTypes }

/** What metadata definitions look like, for the OpenAPI document. */
export const METADEF_COMPONENTS = {
  MetadefNamespaceRow: {
    type: 'object',
    description: 'A namespace of metadata definitions, as lists show it',
    required: ['namespace', 'visibility', 'protected'],
    properties: shown
  },
  MetadefNamespace: {
    type: 'object',
    description: 'A namespace of metadata definitions with all that is in it',
    required: ['namespace', 'visibility', 'protected'],
    properties: { ...shown, ...contents }
  },
  NewMetadefNamespace: {
    type: 'object',
    description: 'A namespace, with definitions where it is new',
    required: ['namespace'],
    properties: { ...namespace, ...resourceTypes, ...contents }
  },
  MetadefObject: {
    type: 'object',
    description: 'Properties under one name',
    required: definitions.objects.required,
    properties: { ...definitions.objects.properties, ...times, ...links }
  },
  MetadefProperty: {
    type: 'object',
    description: 'A property that images or other resources may have',
    ...definitions.properties
  },
  MetadefTag: {
    type: 'object',
    description: 'A word',
    required: definitions.tags.required,
    properties: { ...definitions.tags.properties, ...times }
  },
  MetadefResourceType: {
    type: 'object',
    description: 'A kind of resource that definitions are about',
    required: definitions.resource_types.required,
    properties: { ...definitions.resource_types.properties, ...times }
  }
} as const
