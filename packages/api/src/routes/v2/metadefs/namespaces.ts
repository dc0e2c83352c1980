import type { NamespaceFields } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { refuseBody } from '../../../http/bodies.ts'
import { queryOf } from '../../../http/query.ts'
import { linkBase } from '../../../http/version-document.ts'
import { registryCaller } from '../../../identity/caller.ts'
import { withPrefix } from '../../../metadefs/prefix.ts'
import { readNamespace } from '../../../metadefs/read-body.ts'
import { namespacePath, shownNamespace, shownRow } from '../../../metadefs/show.ts'
import { pageLinks } from '../page-links.ts'
import { NAMESPACES } from './describe.ts'
import { askedType, type NamespaceParams, namespaceFor } from './namespace.ts'

/** Namespaces of metadata definitions (appendix A). */
export function namespaceRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, policy } = context
  /** The fields with their owner: the caller's project, or another one for whoever may say so. */
  const owned = <F extends NamespaceFields>(
    { caller }: FastifyRequest,
    fields: F,
    before: string | null
  ) => {
    const { owner = caller.project, visibility = 'private' } = fields
    if (owner !== before && owner !== caller.project) {
      policy.demand(caller, 'set_owner', { owner, visibility })
    }
    return { ...fields, owner }
  }

  app.get('/metadefs/namespaces', { schema: NAMESPACES.list }, async (request) => {
    policy.demand(request.caller, 'get_metadef_namespaces')
    const query = queryOf(request.originalUrl)
    const { namespaces, next } = await registry.listNamespaces(registryCaller(request), query)
    const links = pageLinks('metadefs/namespaces', query, next ?? undefined)
    return { namespaces: namespaces.map(shownRow), ...links }
  })

  app.post('/metadefs/namespaces', { schema: NAMESPACES.create }, async (request, reply) => {
    const given = readNamespace(request.body)
    const { visibility = 'private' } = given
    const { project } = request.caller
    policy.demand(request.caller, 'add_metadef_namespace', { owner: project, visibility })
    const wanted = owned(request, given, project)
    const made = await registry.createNamespace(registryCaller(request), wanted)
    const base = linkBase(request, context.publicEndpoint)
    reply.code(201).header('location', `${base}${namespacePath(made.namespace)}`)
    return shownNamespace(made)
  })

  app.get<{ Params: NamespaceParams }>(
    '/metadefs/namespaces/:namespace',
    { onRequest: refuseBody, schema: NAMESPACES.show },
    async (request) => {
      const namespace = await namespaceFor(context, request, 'get_metadef_namespace')
      const type = askedType(request)
      return shownNamespace(type === undefined ? namespace : withPrefix(namespace, type))
    }
  )

  app.put<{ Params: NamespaceParams }>(
    '/metadefs/namespaces/:namespace',
    { schema: NAMESPACES.change },
    async (request) => {
      // what is in a namespace has routes of its own
      const { definitions: _definitions, ...fields } = readNamespace(request.body)
      const { owner: before } = await namespaceFor(context, request, 'modify_metadef_namespace')
      const wanted = owned(request, fields, before)
      const { namespace } = request.params
      return shownNamespace(
        await registry.updateNamespace(registryCaller(request), namespace, wanted)
      )
    }
  )

  app.delete<{ Params: NamespaceParams }>(
    '/metadefs/namespaces/:namespace',
    { onRequest: refuseBody, schema: NAMESPACES.remove },
    async (request, reply) => {
      await namespaceFor(context, request, 'delete_metadef_namespace')
      await registry.deleteNamespace(registryCaller(request), request.params.namespace)
      return reply.code(204).send()
    }
  )
}
