import { METADEF_KINDS, type MetadefKind, type RegistryCaller } from '@tank/model'
import { Type } from 'typebox'
import type { Database, Executor } from '../db/database.ts'
import { DEFINITION_SCHEMAS, DefinitionDocumentSchema } from '../metadef-schemas.ts'
import { insertDefinitions, removeDefinitions, replaceDefinition } from '../metadefs/definitions.ts'
import { demandUnprotected, type LockedNamespace, lockNamespace } from '../metadefs/namespaces.ts'
import { strict } from '../schemas.ts'
import { NoContent, type RoutePlugin } from './route.ts'

const tags = ['metadefs']
const OfNamespace = Type.Object({ namespace: Type.String() })
const OfDefinition = Type.Object({ namespace: Type.String(), name: Type.String() })

/** Changes what is in a namespace while nobody else does. */
function within<T>(
  database: Database,
  caller: RegistryCaller,
  name: string,
  change: (trx: Executor, namespace: LockedNamespace) => Promise<T>
): Promise<T> {
  return database.transaction(async (trx) => change(trx, await lockNamespace(trx, caller, name)))
}

function remove(
  database: Database,
  caller: RegistryCaller,
  kind: MetadefKind,
  { namespace, name }: { readonly namespace: string; readonly name?: string }
): Promise<void> {
  return within(database, caller, namespace, async (trx, locked) => {
    demandUnprotected(locked)
    await removeDefinitions(trx, locked.id, kind, name ?? null)
  })
}

const manyRoutes =
  (kind: MetadefKind): RoutePlugin =>
  async (app, { database }) => {
    const path = `/metadefs/namespaces/:namespace/${kind}`
    const Body = Type.Object(
      {
        definitions: Type.Array(DEFINITION_SCHEMAS[kind]),
        replace: Type.Optional(
          Type.Boolean({ description: 'All that the namespace has of this kind goes before' })
        )
      },
      strict
    )
    const Made = Type.Object({ definitions: Type.Array(DefinitionDocumentSchema) })
    app.post(
      path,
      {
        schema: {
          summary: `Add ${kind} to a namespace, all or none`,
          tags,
          params: OfNamespace,
          body: Body,
          response: { 201: Made }
        }
      },
      async ({ params, body, registryCaller }, reply) => {
        const { replace, definitions } = body
        const made = await within(
          database,
          registryCaller,
          params.namespace,
          async (trx, { id }) => {
            if (replace === true) await removeDefinitions(trx, id, kind, null)
            return insertDefinitions(trx, id, kind, definitions)
          }
        )
        return reply.code(201).send({ definitions: made })
      }
    )
    app.delete(
      path,
      {
        schema: {
          summary: `Delete all ${kind} of a namespace`,
          tags,
          params: OfNamespace,
          response: { 204: NoContent }
        }
      },
      async ({ params, registryCaller }, reply) => {
        await remove(database, registryCaller, kind, params)
        return reply.code(204).send(null)
      }
    )
  }

const oneRoutes =
  (kind: MetadefKind): RoutePlugin =>
  async (app, { database }) => {
    const path = `/metadefs/namespaces/:namespace/${kind}/:name`
    app.put(
      path,
      {
        schema: {
          summary: `Replace one of the ${kind} of a namespace, also its name`,
          tags,
          params: OfDefinition,
          body: DEFINITION_SCHEMAS[kind],
          response: { 200: DefinitionDocumentSchema }
        }
      },
      ({ params, body, registryCaller }) =>
        within(database, registryCaller, params.namespace, (trx, { id }) =>
          replaceDefinition(trx, id, kind, params.name, body)
        )
    )
    app.delete(
      path,
      {
        schema: {
          summary: `Delete one of the ${kind} of a namespace`,
          tags,
          params: OfDefinition,
          response: { 204: NoContent }
        }
      },
      async ({ params, registryCaller }, reply) => {
        await remove(database, registryCaller, kind, params)
        return reply.code(204).send(null)
      }
    )
  }

/** What is in namespaces of metadata definitions: the same routes for every kind. */
export const metadefDefinitionRoutes: RoutePlugin = async (app, options) => {
  for (const kind of METADEF_KINDS) {
    await app.register(manyRoutes(kind), options)
    await app.register(oneRoutes(kind), options)
  }
}
