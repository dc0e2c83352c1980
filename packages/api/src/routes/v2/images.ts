import type { RawDocument } from '@tank/client'
import type { ImageDocument } from '@tank/model'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { parseJsonBody, parseJsonObject } from '../../http/json.ts'
import { queryOf } from '../../http/query.ts'
import { linkBase } from '../../http/version-document.ts'
import { registryCaller } from '../../identity/caller.ts'
import { applyPatch } from '../../images/apply-patch.ts'
import { patchDialect, readPatch } from '../../images/json-patch.ts'
import { newImage } from '../../images/new-image.ts'
import { removeImage } from '../../images/remove-image.ts'
import { askedBy, shownTo } from '../../images/shown-properties.ts'
import { offeredMethods } from '../../imports/import-methods.ts'
import { withLocations } from '../../locations/attributes.ts'
import { patchWithLocations } from '../../locations/patch.ts'
import { pageOf, refTo } from '../../openapi/components.ts'
import { json, nothing, operation } from '../../openapi/operation.ts'
import { imageParams, listQuery } from '../../openapi/parameters.ts'
import { pageTail } from './page-links.ts'

const text = (description: string) => ({ type: 'string', description })

const listSchema = operation({
  operationId: 'listImages',
  summary: 'List images',
  description:
    'Images that the caller may see, in pages. Any other parameter is the name of a custom property that the images have with this value.',
  tag: 'images',
  querystring: listQuery,
  answers: {
    200: json(pageOf('images', 'Image'), 'A page of images')
  },
  errors: [403, 404]
})

const createSchema = operation({
  operationId: 'createImage',
  summary: 'Create an image',
  description: 'Makes the record, in status `queued`. The data is uploaded or imported after that.',
  tag: 'images',
  body: { 'application/json': refTo('NewImage') },
  answers: {
    201: json('Image', 'The image', {
      location: text('Address of the image'),
      'openstack-image-import-methods': text('Import methods that can be used'),
      'openstack-image-store-ids': text('Names of the stores')
    })
  },
  errors: [403, 409, 413, 415]
})

const showSchema = operation({
  operationId: 'showImage',
  summary: 'Show an image',
  tag: 'images',
  params: imageParams,
  answers: { 200: json('Image', 'The image') },
  errors: [403, 404]
})

const patchSchema = operation({
  operationId: 'changeImage',
  summary: 'Change an image',
  tag: 'images',
  params: imageParams,
  body: {
    'application/openstack-images-v2.1-json-patch': refTo('PatchV21'),
    'application/openstack-images-v2.0-json-patch': refTo('PatchV20')
  },
  answers: { 200: json('Image', 'The image as it is now') },
  errors: [403, 404, 409, 413, 415]
})

const deleteSchema = operation({
  operationId: 'deleteImage',
  summary: 'Delete an image',
  description: 'In any state, also while data comes in. Its identifier is never used again.',
  tag: 'images',
  params: imageParams,
  answers: { 204: nothing('The image is gone') },
  errors: [403, 404, 409, 413, 415]
})

export interface ImageParams {
  readonly id: string
}

const PAGE_HEAD = Buffer.from('{"images":')

/** List, create, show, change and delete images (R1–R5). */
export function imageRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, config, policy } = context
  const { protections } = context
  const rules = { limits: config.limits, policy, protections }
  /** Sends the registry's JSON as it came, but for what the configuration hides or adds. */
  const sendDocument = async (
    reply: FastifyReply,
    raw: RawDocument,
    status = 200
  ): Promise<FastifyReply> => {
    const { request } = reply
    const own = shownTo(request.caller, protections, raw.body)
    const body = await withLocations(context, request, own)
    return reply.code(status).type('application/json').send(body)
  }

  app.get('/images', { schema: listSchema }, async (request, reply) => {
    policy.demand(request.caller, 'get_images')
    policy.demand(request.caller, 'get_image')
    const query = queryOf(request.originalUrl)
    const asked = askedBy(request.caller, protections, query)
    const page = await registry.listImages(registryCaller(request), asked)
    const own = shownTo(request.caller, protections, page.body)
    const images = await withLocations(context, request, own)
    const body = Buffer.concat([PAGE_HEAD, images, pageTail(query, page.nextMarker)])
    return reply.type('application/json').send(body)
  })

  app.post('/images', { schema: createSchema }, async (request, reply) => {
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
    { onRequest: refuseBody, schema: showSchema },
    async (request, reply) => {
      const raw = await registry.getImage(registryCaller(request), request.params.id)
      policy.demand(request.caller, 'get_image')
      return sendDocument(reply, raw)
    }
  )

  app.patch<{ Params: ImageParams }>(
    '/images/:id',
    { schema: patchSchema },
    async (request, reply) => {
      const { caller } = request
      const dialect = patchDialect(request.headers['content-type'])
      const may = { locations: config.locations.showMultiple }
      const operations = readPatch(parseJsonBody(request.body), dialect, may)
      const fieldsOf = (image: ImageDocument) => {
        policy.demand(caller, operations.length > 0 ? 'modify_image' : 'get_image', image)
        return applyPatch(image, operations, caller, rules)
      }
      const change = await patchWithLocations(context, request, reply, operations, fieldsOf)
      const raw = await context.images.update(registryCaller(request), request.params.id, change)
      if (change !== fieldsOf) context.collector.nudge()
      return sendDocument(reply, raw)
    }
  )

  app.delete<{ Params: ImageParams }>(
    '/images/:id',
    { onRequest: refuseBody, schema: deleteSchema },
    async (request, reply) => {
      await removeImage(context, request, request.params.id)
      return reply.code(204).send()
    }
  )
}
