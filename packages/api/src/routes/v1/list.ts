import { type ImageV1, TankError, toBriefImageV1 } from '@tank/model'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { queryOf } from '../../http/query.ts'
import { registryCaller } from '../../identity/caller.ts'
import { shownImage } from './shown.ts'

const PROPERTY = 'property-'

/** A filter on a property that the caller may not read finds nothing, in the same time. */
function asked({ protections }: ApiContext, { caller }: FastifyRequest, query: string): string {
  if (!protections.isOn) return query
  // the `&` keeps a leading `?` part of the first name, as the registry reads it
  for (const name of new URLSearchParams(`&${query}`).keys()) {
    if (!name.startsWith(PROPERTY)) continue
    if (!protections.may(caller, 'read', name.slice(PROPERTY.length))) return `${query}&limit=0`
  }
  return query
}

/** Lists of images (v1 1.6): `/images` tells little of each, `/images/detail` all. */
export function listRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, policy } = context
  const page = async (request: FastifyRequest): Promise<ImageV1[]> => {
    policy.demand(request.caller, 'get_images')
    policy.demand(request.caller, 'get_image')
    const query = asked(context, request, queryOf(request.originalUrl))
    const records = await registry.listRecords(registryCaller(request), query)
    return records.map((record) => shownImage(context, request, record))
  }
  const brief = async (request: FastifyRequest, reply: FastifyReply) => {
    const images = await page(request)
    return reply.type('application/json').send({ images: images.map(toBriefImageV1) })
  }
  app.get('/', brief)
  app.get('/images', brief)
  app.get('/images/detail', async (request, reply) =>
    reply.type('application/json').send({ images: await page(request) })
  )
  // else the methods of /images/:id would take it for an id
  app.route({
    method: ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: '/images/detail',
    config: { catchAll: true },
    handler: async ({ method }) => {
      const allow = method === 'HEAD' ? 'GET' : 'GET, HEAD'
      const message = 'The method is not allowed for this resource.'
      throw new TankError('METHOD_NOT_ALLOWED', message, { headers: { allow } })
    }
  })
}
