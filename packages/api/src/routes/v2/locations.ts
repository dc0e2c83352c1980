import { TankError } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { parseJsonObject } from '../../http/json.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { demand } from '../../policy.ts'
import type { ImageParams } from './images.ts'

function checkLocation(body: unknown): void {
  const { url, validation_data: validation, ...others } = parseJsonObject(body)
  const [unknown] = Object.keys(others)
  if (typeof url !== 'string' || url === '')
    throw new TankError('INVALID_REQUEST', "'url' must be a string")
  if (unknown !== undefined)
    throw new TankError('INVALID_REQUEST', 'Only url and validation_data can be given')
  if (
    validation !== undefined &&
    (typeof validation !== 'object' || validation === null || Array.isArray(validation))
  ) {
    throw new TankError('INVALID_REQUEST', "'validation_data' must be an object")
  }
}

/** Where the bytes of an image lie (R15, R16): shown to administrators and services only. */
export function locationRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, stores } = context
  const visible = async (request: FastifyRequest<{ Params: ImageParams }>) =>
    parseDocument(await registry.getImage(registryCaller(request), request.params.id))

  app.get<{ Params: ImageParams }>(
    '/images/:id/locations',
    { onRequest: refuseBody },
    async (request) => {
      demand(request.caller, 'fetch_image_location', await visible(request))
      const { placements } = await registry.getImageData(registryCaller(request), request.params.id)
      return placements.flatMap(({ store: name, key }) => {
        const url = stores.get(name)?.url?.(key)
        return url === undefined ? [] : [{ url: url.href, metadata: { store: name } }]
      })
    }
  )

  app.post<{ Params: ImageParams }>('/images/:id/locations', async (request) => {
    checkLocation(request.body)
    const image = await visible(request)
    if (image.status !== 'queued')
      throw new TankError('IMAGE_STATE', `The image is ${image.status}, it takes no location`)
    demand(request.caller, 'add_image_location', image)
    throw new TankError('FORBIDDEN', 'No store of this service takes outside locations')
  })
}
