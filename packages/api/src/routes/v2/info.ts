import type { Usage } from '@tank/model'
import { isWritable } from '@tank/store'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { offeredMethods } from '../../imports/import-methods.ts'
import { listOf } from '../../openapi/components.ts'
import { json, operation } from '../../openapi/operation.ts'

const storesSchema = operation({
  operationId: 'listStores',
  summary: 'List the stores',
  tag: 'info',
  answers: { 200: json(listOf('stores', 'Store'), 'The stores') }
})

const detailSchema = operation({
  operationId: 'listStoreDetails',
  summary: 'List the stores with their details',
  tag: 'info',
  answers: { 200: json(listOf('stores', 'Store'), 'The stores') },
  errors: [403]
})

const methodsSchema = operation({
  operationId: 'listImportMethods',
  summary: 'List the import methods',
  tag: 'info',
  answers: {
    200: json(
      {
        type: 'object',
        required: ['import-methods'],
        properties: {
          'import-methods': {
            type: 'object',
            required: ['description', 'type', 'value'],
            properties: {
              description: { type: 'string' },
              type: { type: 'string', enum: ['array'] },
              value: { type: 'array', items: { type: 'string' }, description: 'The methods' }
            }
          }
        }
      },
      'The methods that can be used'
    )
  }
})

const usageSchema = operation({
  operationId: 'showUsage',
  summary: 'Show what the own project uses of its quotas',
  tag: 'info',
  answers: {
    200: json(
      {
        type: 'object',
        required: ['usage'],
        properties: {
          usage: {
            type: 'object',
            description: 'By the name of the quota; empty where nothing is limited',
            additionalProperties: {
              type: 'object',
              required: ['limit', 'usage'],
              properties: {
                limit: { type: 'integer', description: '-1: no limit. Sizes are in MiB' },
                usage: { type: 'integer', description: 'Sizes are in MiB' }
              }
            }
          }
        }
      },
      'Limits, and what counts against them'
    )
  }
})

/** What this service offers: stores, import methods, usage (R18). */
export function infoRoutes(app: FastifyInstance, context: ApiContext): void {
  const { stores, config, registry, policy } = context
  const describe = (name: string): Record<string, unknown> => {
    const entry = stores.entry(name)
    const readOnly = entry !== undefined && !isWritable(entry.store)
    return {
      id: name,
      ...(entry?.description === undefined ? {} : { description: entry.description }),
      ...(stores.default === name ? { default: 'true' } : {}),
      ...(readOnly ? { 'read-only': 'true' } : {})
    }
  }

  app.get('/info/stores', { onRequest: refuseBody, schema: storesSchema }, async () => ({
    stores: stores.names().map(describe)
  }))

  app.get(
    '/info/stores/detail',
    { onRequest: refuseBody, schema: detailSchema },
    async (request) => {
      policy.demand(request.caller, 'stores_info_detail')
      return {
        stores: stores.names().map((name) => {
          const entry = stores.entry(name)
          return {
            ...describe(name),
            type: entry?.store.type,
            weight: entry?.weight ?? 0,
            properties: {}
          }
        })
      }
    }
  )

  app.get('/info/import', { onRequest: refuseBody, schema: methodsSchema }, async () => ({
    'import-methods': {
      description: 'Import methods available.',
      type: 'array',
      value: offeredMethods(config.imports.methods, stores)
    }
  }))

  app.get('/info/usage', { onRequest: refuseBody, schema: usageSchema }, async (request) => {
    const { project } = request.caller
    return { usage: project === null ? {} : usageOf(await registry.usage(project)) }
  })
}

const MIB = 2 ** 20
const UNLIMITED = -1

/** Limits with what counts against each, as unified limits name them; empty when nothing is limited. */
function usageOf({ limits, images, stored_bytes, reserved_bytes, staged_bytes, uploads }: Usage) {
  if (Object.values(limits).every((limit) => limit === null)) return {}
  const inMiB = (bytes: number) => Math.floor(bytes / MIB)
  return {
    image_size_total: {
      limit: limits.bytes === null ? UNLIMITED : inMiB(limits.bytes),
      usage: inMiB(stored_bytes + reserved_bytes)
    },
    image_stage_total: {
      limit: limits.staged === null ? UNLIMITED : inMiB(limits.staged),
      usage: inMiB(staged_bytes)
    },
    image_count_total: { limit: limits.images ?? UNLIMITED, usage: images },
    image_count_uploading: { limit: limits.uploads ?? UNLIMITED, usage: uploads }
  }
}
