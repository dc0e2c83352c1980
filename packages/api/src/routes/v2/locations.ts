import { randomUUID } from 'node:crypto'
import { TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { parseJsonObject } from '../../http/json.ts'
import { isService, registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { storeForLocation } from '../../locations/find-store.ts'
import { locationInput, normalDigest, readLocation } from '../../locations/input.ts'
import { demandToldFormat } from '../../locations/patch.ts'
import { shownLocations } from '../../locations/shown.ts'
import { refTo } from '../../openapi/components.ts'
import { json, nothing, operation } from '../../openapi/operation.ts'
import { imageParams } from '../../openapi/parameters.ts'
import type { ImageParams } from './images.ts'

const listSchema = operation({
  operationId: 'listLocations',
  summary: 'List where the bytes of an image lie',
  description: 'For administrators and services.',
  tag: 'locations',
  params: imageParams,
  answers: { 200: json({ type: 'array', items: refTo('Location') }, 'The locations') },
  errors: [403, 404]
})

const addSchema = operation({
  operationId: 'addLocation',
  summary: 'Take data that lies outside',
  description:
    'The data stays where it is. It is looked at after the answer; the tasks tell the rest.',
  tag: 'locations',
  params: imageParams,
  body: { 'application/json': refTo('NewLocation') },
  answers: { 202: nothing('The location is accepted') },
  errors: [403, 404, 409, 413, 415]
})

/** Where the bytes of an image lie (R15, R16): shown to administrators and services only. */
export function locationRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, stores, policy } = context
  const visible = async (request: FastifyRequest<{ Params: ImageParams }>) =>
    parseDocument(await registry.getImage(registryCaller(request), request.params.id))

  app.get<{ Params: ImageParams }>(
    '/images/:id/locations',
    { onRequest: refuseBody, schema: listSchema },
    async (request) => {
      policy.demand(request.caller, 'fetch_image_location', await visible(request))
      const { placements } = await registry.getImageData(registryCaller(request), request.params.id)
      return shownLocations(stores, placements).map(({ url, metadata }) => ({ url, metadata }))
    }
  )

  app.post<{ Params: ImageParams }>(
    '/images/:id/locations',
    { schema: addSchema },
    async (request, reply) => {
      const given = readLocation(parseJsonObject(request.body))
      const image = await visible(request)
      if (image.status !== 'queued')
        throw new TankError('IMAGE_STATE', `The image is ${image.status}, it takes no location`)
      policy.demand(request.caller, 'add_image_location', image)
      demandToldFormat(image.disk_format)
      const store = storeForLocation(stores, given.url, isService(request.caller))
      const location = { ...given, validation: normalDigest(given.validation) }
      const placement = { id: randomUUID(), store, key: location.url, role: 'external' } as const
      await registry.enqueue(registryCaller(request), {
        id: randomUUID(),
        kind: 'location',
        image_id: image.id,
        from: ['queued'],
        to: 'importing',
        fallback: 'queued',
        stores: [store],
        must_succeed: true,
        input: locationInput(image.id, location),
        location: {
          blob_id: randomUUID(),
          placement: { ...placement, weight: stores.entry(store)?.weight ?? 0 }
        }
      })
      context.workAsked()
      return reply.code(202).send()
    }
  )
}
