import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { refuseBody } from '../../../http/bodies.ts'
import { registryCaller } from '../../../identity/caller.ts'
import { readTags } from '../../../metadefs/read-body.ts'
import { shownTags } from '../../../metadefs/show.ts'
import { type DefinitionKind, definitionRoutes } from './definitions.ts'
import { describeAddition, describeTag } from './describe.ts'
import { type DefinitionParams, type NamespaceParams, namespaceFor } from './namespace.ts'

const TAGS: DefinitionKind = {
  kind: 'tags',
  actions: {
    list: 'get_metadef_tags',
    show: 'get_metadef_tag',
    change: 'modify_metadef_tag',
    remove: 'delete_metadef_tag',
    removeAll: 'delete_metadef_tags'
  },
  list: ({ tags }) => ({ tags: shownTags(tags) }),
  one: (_namespace, tag) => tag
}

/** Tags of a namespace: words alone. */
export function metadefTagRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry } = context
  definitionRoutes(app, context, TAGS)

  app.post<{ Params: NamespaceParams }>(
    '/metadefs/namespaces/:namespace/tags',
    { schema: describeAddition('tags', true) },
    async (request, reply) => {
      const tags = readTags(request.body)
      const appends = String(request.headers['x-openstack-append']).toLowerCase() === 'true'
      await namespaceFor(context, request, 'add_metadef_tags')
      const at = { ...request.params, kind: 'tags', replace: !appends } as const
      const made = await registry.addDefinitions(registryCaller(request), at, tags)
      return reply.code(201).send({ tags: shownTags(made) })
    }
  )

  app.post<{ Params: DefinitionParams }>(
    '/metadefs/namespaces/:namespace/tags/:name',
    { onRequest: refuseBody, schema: describeTag },
    async (request, reply) => {
      const { namespace, name } = request.params
      await namespaceFor(context, request, 'add_metadef_tag')
      const at = { namespace, kind: 'tags' } as const
      const [made] = await registry.addDefinitions(registryCaller(request), at, [{ name }])
      return reply.code(201).send(made)
    }
  )
}
