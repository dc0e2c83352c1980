import type { DefinitionDocument, MetadefKind, NamespaceDocument } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { refuseBody } from '../../../http/bodies.ts'
import { registryCaller } from '../../../identity/caller.ts'
import { readDefinition } from '../../../metadefs/read-body.ts'
import type { Action } from '../../../policy/actions.ts'
import {
  describeAddition,
  describeChange,
  describeClearing,
  describeList,
  describeRemoval,
  describeShow
} from './describe.ts'
import {
  askedType,
  type DefinitionParams,
  definitionIn,
  type NamespaceParams,
  namespaceFor
} from './namespace.ts'

/** How one kind of definition is read, shown and guarded. */
export interface DefinitionKind {
  readonly kind: Exclude<MetadefKind, 'resource_types'>
  readonly actions: Readonly<Record<'list' | 'show' | 'change' | 'remove' | 'removeAll', Action>>
  /** The body of the list. */
  list(namespace: NamespaceDocument): object
  /** The body of one. */
  one(namespace: string, definition: DefinitionDocument): object
  /** Finds the one that a request names, when resource types make a difference to names. */
  find?(namespace: NamespaceDocument, name: string, type: string | undefined): DefinitionDocument
}

function listRoutes(app: FastifyInstance, context: ApiContext, of: DefinitionKind): void {
  const path = `/metadefs/namespaces/:namespace/${of.kind}`
  app.get<{ Params: NamespaceParams }>(path, { schema: describeList(of.kind) }, async (request) =>
    of.list(await namespaceFor(context, request, of.actions.list))
  )
  app.delete<{ Params: NamespaceParams }>(
    path,
    { onRequest: refuseBody, schema: describeClearing(of.kind) },
    async (request, reply) => {
      await namespaceFor(context, request, of.actions.removeAll)
      const at = { ...request.params, kind: of.kind }
      await context.registry.removeDefinitions(registryCaller(request), at)
      return reply.code(204).send()
    }
  )
}

/** What all kinds have: the list, and one of them to show, change and remove. */
export function definitionRoutes(
  app: FastifyInstance,
  context: ApiContext,
  of: DefinitionKind
): void {
  const { registry } = context
  const { kind, actions } = of
  const path = `/metadefs/namespaces/:namespace/${kind}/:name`
  listRoutes(app, context, of)

  app.get<{ Params: DefinitionParams }>(
    path,
    { onRequest: refuseBody, schema: describeShow(kind) },
    async (request) => {
      const namespace = await namespaceFor(context, request, actions.show)
      const { name } = request.params
      const found =
        of.find?.(namespace, name, askedType(request)) ?? definitionIn(namespace, kind, name)
      return of.one(namespace.namespace, found)
    }
  )

  app.put<{ Params: DefinitionParams }>(path, { schema: describeChange(kind) }, async (request) => {
    const definition = readDefinition(request.body, kind)
    await namespaceFor(context, request, actions.change)
    const at = { ...request.params, kind }
    const changed = await registry.updateDefinition(registryCaller(request), at, definition)
    return of.one(request.params.namespace, changed)
  })

  app.delete<{ Params: DefinitionParams }>(
    path,
    { onRequest: refuseBody, schema: describeRemoval(kind) },
    async (request, reply) => {
      await namespaceFor(context, request, actions.remove)
      await registry.removeDefinitions(registryCaller(request), { ...request.params, kind })
      return reply.code(204).send()
    }
  )
}

/** `POST` of one definition to the list of its kind. */
export function additionRoute(
  app: FastifyInstance,
  context: ApiContext,
  of: DefinitionKind,
  action: Action
): void {
  const { kind } = of
  app.post<{ Params: NamespaceParams }>(
    `/metadefs/namespaces/:namespace/${kind}`,
    { schema: describeAddition(kind) },
    async (request, reply) => {
      const definition = readDefinition(request.body, kind)
      const { namespace } = request.params
      await namespaceFor(context, request, action)
      const caller = registryCaller(request)
      const made = await context.registry.addDefinitions(caller, { namespace, kind }, [definition])
      reply.code(201)
      return made.map((one) => of.one(namespace, one))[0]
    }
  )
}
