import type { Usage } from '@tank/model'
import { isWritable } from '@tank/store'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { offeredMethods } from '../../imports/import-methods.ts'

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

  app.get('/info/stores', { onRequest: refuseBody }, async () => ({
    stores: stores.names().map(describe)
  }))

  app.get('/info/stores/detail', { onRequest: refuseBody }, async (request) => {
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
  })

  app.get('/info/import', { onRequest: refuseBody }, async () => ({
    'import-methods': {
      description: 'Import methods available.',
      type: 'array',
      value: offeredMethods(config.imports.methods, stores)
    }
  }))

  app.get('/info/usage', { onRequest: refuseBody }, async (request) => {
    const { project } = request.caller
    return { usage: project === null ? {} : usageOf(await registry.usage(project)) }
  })
}

const MIB = 2 ** 20
const UNLIMITED = -1

/** Limits with what counts against each, as unified limits name them; empty when nothing is limited. */
function usageOf({ limits, images, stored_bytes, reserved_bytes, uploads }: Usage) {
  if (Object.values(limits).every((limit) => limit === null)) return {}
  const inMiB = (bytes: number) => Math.floor(bytes / MIB)
  return {
    image_size_total: {
      limit: limits.bytes === null ? UNLIMITED : inMiB(limits.bytes),
      usage: inMiB(stored_bytes + reserved_bytes)
    },
    image_stage_total: { limit: UNLIMITED, usage: inMiB(reserved_bytes) },
    image_count_total: { limit: limits.images ?? UNLIMITED, usage: images },
    image_count_uploading: { limit: limits.uploads ?? UNLIMITED, usage: uploads }
  }
}
