import type { ImageDocument, Placement } from '@tank/model'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../context.ts'
import type { Caller } from '../identity/caller.ts'
import { registryCaller } from '../identity/caller.ts'
import { directUrl, shownLocations } from './shown.ts'

type Shown = ImageDocument & Record<string, unknown>

/** Where data lies is told to few, and of a deactivated image to those who may read it (PL10, PL11). */
function maySee({ policy }: ApiContext, caller: Caller, image: ImageDocument): boolean {
  const isOff = image.status === 'deactivated'
  if (isOff && !policy.may(caller, 'download_deactivated', image)) return false
  return policy.may(caller, 'get_image_location', image)
}

function describe(context: ApiContext, image: Shown, placements: readonly Placement[]): void {
  const { stores, config } = context
  const locations = shownLocations(stores, placements)
  if (config.locations.showMultiple) {
    image.locations = locations.map(({ url, metadata }) => ({ url, metadata }))
  }
  const url = config.locations.showDirectUrl ? directUrl(stores, locations) : undefined
  if (url !== undefined) image.direct_url = url
}

/**
 * The JSON of an image, or of an array of images, with `locations` and `direct_url` where the
 * configuration shows them. Else it is passed on as it came.
 */
export async function withLocations(
  context: ApiContext,
  request: FastifyRequest,
  body: Buffer
): Promise<Buffer> {
  const { showMultiple, showDirectUrl } = context.config.locations
  if (!showMultiple && !showDirectUrl) return body
  const parsed: Shown | Shown[] = JSON.parse(body.toString())
  const images = [parsed].flat()
  const seen = images.filter((image) => {
    return image.stores !== undefined && maySee(context, request.caller, image)
  })
  const ids = seen.map(({ id }) => id)
  const found =
    ids.length === 0 ? [] : await context.registry.findLocations(registryCaller(request), ids)
  const placements = new Map(found.map((each) => [each.id, each.placements]))
  for (const image of images) describe(context, image, placements.get(image.id) ?? [])
  return Buffer.from(JSON.stringify(parsed))
}
