import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { namespaceRoutes } from './namespaces.ts'
import { objectRoutes } from './objects.ts'
import { propertyRoutes } from './properties.ts'
import { resourceTypeRoutes } from './resource-types.ts'
import { metadefTagRoutes } from './tags.ts'

/** Metadata definitions (R27, appendix A). */
export function metadefRoutes(app: FastifyInstance, context: ApiContext): void {
  namespaceRoutes(app, context)
  resourceTypeRoutes(app, context)
  propertyRoutes(app, context)
  objectRoutes(app, context)
  metadefTagRoutes(app, context)
}
