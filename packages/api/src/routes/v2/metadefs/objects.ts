import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { shownObject } from '../../../metadefs/show.ts'
import { additionRoute, type DefinitionKind, definitionRoutes } from './definitions.ts'

const OBJECTS: DefinitionKind = {
  kind: 'objects',
  actions: {
    list: 'get_metadef_objects',
    show: 'get_metadef_object',
    change: 'modify_metadef_object',
    remove: 'delete_metadef_object',
    removeAll: 'delete_metadef_object'
  },
  list: ({ namespace, objects }) => ({
    objects: objects.map((object) => shownObject(namespace, object)),
    // without a slash before it, as clients know it
    schema: 'v2/schemas/metadefs/objects'
  }),
  one: shownObject
}

/** Objects of a namespace: properties under one name. */
export function objectRoutes(app: FastifyInstance, context: ApiContext): void {
  definitionRoutes(app, context, OBJECTS)
  additionRoute(app, context, OBJECTS, 'add_metadef_object')
}
