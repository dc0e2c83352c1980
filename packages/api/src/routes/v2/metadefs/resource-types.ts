import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { refuseBody } from '../../../http/bodies.ts'
import { registryCaller } from '../../../identity/caller.ts'
import { readDefinition } from '../../../metadefs/read-body.ts'
import { describeAddition, describeAllTypes, describeList, describeRemoval } from './describe.ts'
import { type DefinitionParams, type NamespaceParams, namespaceFor } from './namespace.ts'

const KIND = 'resource_types'
const PATH = `/metadefs/namespaces/:namespace/${KIND}`

/** Resource types, and the links between them and namespaces. */
export function resourceTypeRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, policy } = context

  app.get(
    '/metadefs/resource_types',
    { onRequest: refuseBody, schema: describeAllTypes },
    async (request) => {
      policy.demand(request.caller, 'list_metadef_resource_types')
      return { resource_types: await registry.listResourceTypes(registryCaller(request)) }
    }
  )

  app.get<{ Params: NamespaceParams }>(
    PATH,
    { onRequest: refuseBody, schema: describeList(KIND) },
    async (request) => {
      const namespace = await namespaceFor(context, request, 'get_metadef_resource_type')
      return { resource_type_associations: namespace.resource_types }
    }
  )

  app.post<{ Params: NamespaceParams }>(
    PATH,
    { schema: describeAddition(KIND) },
    async (request, reply) => {
      const link = readDefinition(request.body, KIND)
      const { namespace } = request.params
      await namespaceFor(context, request, 'add_metadef_resource_type_association')
      const at = { namespace, kind: KIND } as const
      const [made] = await registry.addDefinitions(registryCaller(request), at, [link])
      return reply.code(201).send(made)
    }
  )

  app.delete<{ Params: DefinitionParams }>(
    `${PATH}/:name`,
    { onRequest: refuseBody, schema: describeRemoval(KIND) },
    async (request, reply) => {
      await namespaceFor(context, request, 'remove_metadef_resource_type_association')
      const at = { ...request.params, kind: KIND } as const
      await registry.removeDefinitions(registryCaller(request), at)
      return reply.code(204).send()
    }
  )
}
