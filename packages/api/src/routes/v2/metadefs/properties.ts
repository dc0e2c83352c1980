import { TankError } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { prefixFor } from '../../../metadefs/prefix.ts'
import { propertyMap, shownProperty } from '../../../metadefs/show.ts'
import { additionRoute, type DefinitionKind, definitionRoutes } from './definitions.ts'
import { definitionIn } from './namespace.ts'

const PROPERTIES: DefinitionKind = {
  kind: 'properties',
  actions: {
    list: 'get_metadef_properties',
    show: 'get_metadef_property',
    change: 'modify_metadef_property',
    remove: 'remove_metadef_property',
    removeAll: 'remove_metadef_property'
  },
  list: ({ properties }) => ({ properties: propertyMap(properties) }),
  one: (_namespace, property) => shownProperty(property),
  find(namespace, name, type) {
    if (type === undefined) return definitionIn(namespace, 'properties', name)
    const prefix = prefixFor(namespace, type)
    if (prefix === undefined || !name.startsWith(prefix)) {
      throw new TankError('METADEF_NOT_FOUND', 'Resources of this type have no such property.')
    }
    const found = definitionIn(namespace, 'properties', name.slice(prefix.length))
    return { ...found, name }
  }
}

/** Properties of a namespace. */
export function propertyRoutes(app: FastifyInstance, context: ApiContext): void {
  definitionRoutes(app, context, PROPERTIES)
  additionRoute(app, context, PROPERTIES, 'add_metadef_property')
}
