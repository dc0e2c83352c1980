import { isWritable } from '@tank/store'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { demand } from '../../policy.ts'

/** What this service offers: stores, import methods, usage (R18). */
export function infoRoutes(app: FastifyInstance, { stores, config }: ApiContext): void {
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
    demand(request.caller, 'stores_info_detail')
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
      value: config.imports.methods
    }
  }))

  app.get('/info/usage', async () => ({ usage: {} }))
}
