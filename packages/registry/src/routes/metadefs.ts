import type { ResourceTypeDocument } from '@tank/model'
import { Type } from 'typebox'
import type { Database } from '../db/database.ts'
import { shownTime } from '../images/document.ts'
import { rawQuery } from '../list/query-string.ts'
import {
  CreateNamespaceSchema,
  NamespaceDocumentSchema,
  NamespaceFieldsSchema,
  NamespaceRowSchema,
  ResourceTypeSchema
} from '../metadef-schemas.ts'
import {
  createNamespace,
  deleteNamespace,
  listNamespaces,
  showNamespace,
  updateNamespace
} from '../metadefs/namespaces.ts'
import { nullable } from '../schemas.ts'
import { NoContent, type RoutePlugin } from './route.ts'

const tags = ['metadefs']
const params = Type.Object({ namespace: Type.String() })
const parameter = (description: string) => Type.Optional(Type.Unknown({ description }))

const Query = Type.Object(
  {
    limit: parameter('Namespaces a page'),
    marker: parameter('Name of the last namespace of the page before; 404 when there is none'),
    sort_key: parameter('`created_at`, `updated_at` or `namespace`'),
    sort_dir: parameter('`asc` or `desc`'),
    visibility: parameter('`public` or `private`'),
    resource_types: parameter('Names with commas: namespaces that are about one of them')
  },
  { additionalProperties: true }
)

const RESOURCE_TYPES = `SELECT jsonb_build_object('name', r.name,
    'created_at', ${shownTime('r.created_at')}, 'updated_at', ${shownTime('r.updated_at')})
  FROM metadef_resource_types r ORDER BY r.name`

async function listResourceTypes(database: Database): Promise<ResourceTypeDocument[]> {
  const rows = await database.query(RESOURCE_TYPES, [])
  return rows.map(([document]) => document as ResourceTypeDocument)
}

const collections: RoutePlugin = async (app, { database, settings }) => {
  app.get(
    '/metadefs/resource_types',
    {
      schema: {
        summary: 'All resource types by name',
        tags,
        response: { 200: Type.Object({ resource_types: Type.Array(ResourceTypeSchema) }) }
      }
    },
    async () => ({ resource_types: await listResourceTypes(database) })
  )
  app.get(
    '/metadefs/namespaces',
    {
      schema: {
        summary: 'Namespaces of metadata definitions, the newest first',
        description:
          'Public ones and those of the own project; administrators see all. `next` is the marker of the next page.',
        tags,
        querystring: Query,
        response: {
          200: Type.Object({
            namespaces: Type.Array(NamespaceRowSchema),
            next: nullable(Type.String())
          })
        }
      }
    },
    ({ raw, registryCaller }) =>
      listNamespaces(database, registryCaller, rawQuery(raw.url ?? ''), settings.pageSize)
  )
  app.post(
    '/metadefs/namespaces',
    {
      schema: {
        summary: 'Make a namespace with all that is in it',
        tags,
        body: CreateNamespaceSchema,
        response: { 201: NamespaceDocumentSchema }
      }
    },
    async ({ body }, reply) => reply.code(201).send(await createNamespace(database, body))
  )
}

/** Namespaces of metadata definitions, and the resource types that they are about. */
export const metadefRoutes: RoutePlugin = async (app, options) => {
  const { database } = options
  await app.register(collections, options)
  app.get(
    '/metadefs/namespaces/:namespace',
    {
      schema: {
        summary: 'Show a namespace with all that is in it',
        tags,
        params,
        response: { 200: NamespaceDocumentSchema }
      }
    },
    ({ params, registryCaller }) => showNamespace(database, registryCaller, params.namespace)
  )
  app.put(
    '/metadefs/namespaces/:namespace',
    {
      schema: {
        summary: 'Replace what is said about a namespace, also its name',
        description: 'What is in it stays; what the body does not have falls back to its default.',
        tags,
        params,
        body: NamespaceFieldsSchema,
        response: { 200: NamespaceDocumentSchema }
      }
    },
    ({ params, body, registryCaller }) =>
      updateNamespace(database, registryCaller, params.namespace, body)
  )
  app.delete(
    '/metadefs/namespaces/:namespace',
    {
      schema: {
        summary: 'Delete a namespace and all that is in it',
        description: '403 METADEF_PROTECTED when it is protected.',
        tags,
        params,
        response: { 204: NoContent }
      }
    },
    async ({ params, registryCaller }, reply) => {
      await deleteNamespace(database, registryCaller, params.namespace)
      return reply.code(204).send(null)
    }
  )
}
