import type { RawDocument } from '@tank/client'
import { TankError } from '@tank/model'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { parseJsonBody, parseJsonObject } from '../../http/json.ts'
import { linkBase } from '../../http/version-document.ts'
import { registryCaller } from '../../identity/caller.ts'
import { applyPatch } from '../../images/apply-patch.ts'
import { patchDialect, readPatch } from '../../images/json-patch.ts'
import { newImage } from '../../images/new-image.ts'
import { askedBy, shownTo } from '../../images/shown-properties.ts'
import { offeredMethods } from '../../imports/import-methods.ts'
import { pageTail, queryOf } from './page-links.ts'

export interface ImageParams {
  readonly id: string
}

const PAGE_HEAD = Buffer.from('{"images":')

/** List, create, show, change and delete images (R1–R5). */
export function imageRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, config, policy } = context
  const { protections } = context
  const rules = { limits: config.limits, policy, protections }
  /** Sends the registry's JSON as it came, but for what is hidden from the caller. */
  const sendDocument = (reply: FastifyReply, raw: RawDocument, status = 200): FastifyReply => {
    const body = shownTo(reply.request.caller, protections, raw.body)
    return reply.code(status).type('application/json').send(body)
  }

  app.get('/images', async (request, reply) => {
    policy.demand(request.caller, 'get_images')
    policy.demand(request.caller, 'get_image')
    const query = queryOf(request.originalUrl)
    const asked = askedBy(request.caller, protections, query)
    const page = await registry.listImages(registryCaller(request), asked)
    const images = shownTo(request.caller, protections, page.body)
    const body = Buffer.concat([PAGE_HEAD, images, pageTail(query, page.nextMarker)])
    return reply.type('application/json').send(body)
  })

  app.post('/images', async (request, reply) => {
    const image = newImage(parseJsonObject(request.body), request.caller, rules)
    const raw = await registry.createImage(registryCaller(request), image)
    const base = linkBase(request, context.publicEndpoint)
    reply.header('location', `${base}/v2/images/${image.id}`)
    reply.header('openstack-image-store-ids', context.stores.names().join(','))
    const methods = offeredMethods(config.imports.methods, context.stores).join(',')
    if (methods !== '') reply.header('openstack-image-import-methods', methods)
    return sendDocument(reply, raw, 201)
  })

  app.get<{ Params: ImageParams }>(
    '/images/:id',
    { onRequest: refuseBody },
    async (request, reply) => {
      const raw = await registry.getImage(registryCaller(request), request.params.id)
      policy.demand(request.caller, 'get_image')
      return sendDocument(reply, raw)
    }
  )

  app.patch<{ Params: ImageParams }>('/images/:id', async (request, reply) => {
    const { caller } = request
    const dialect = patchDialect(request.headers['content-type'])
    const operations = readPatch(parseJsonBody(request.body), dialect)
    const raw = await context.images.update(registryCaller(request), request.params.id, (image) => {
      policy.demand(caller, operations.length > 0 ? 'modify_image' : 'get_image', image)
      return applyPatch(image, operations, caller, rules)
    })
    return sendDocument(reply, raw)
  })

  app.delete<{ Params: ImageParams }>(
    '/images/:id',
    { onRequest: refuseBody },
    async (request, reply) => {
      const { caller } = request
      const { id } = request.params
      await context.images.delete(registryCaller(request), id, (image) => {
        policy.demand(caller, 'delete_image', image)
        if (image.protected) {
          throw new TankError(
            'IMAGE_PROTECTED',
            `Image ${image.id} is protected and cannot be deleted.`
          )
        }
      })
      context.running.abort(id, new TankError('IMAGE_GONE', 'The image was deleted'))
      context.collector.nudge()
      return reply.code(204).send()
    }
  )
}
