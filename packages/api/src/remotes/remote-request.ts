import { isUuid, TankError } from '@tank/model'

/** An image at the image service of another region. */
export interface RemoteRequest {
  readonly region: string
  /** `public`, `internal` or `admin`; others no region has. */
  readonly interface: string
  readonly imageId: string
}

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

/** Reads what the method `glance-download` is told. Throws INVALID_REQUEST (I6). */
export function readRemoteRequest(method: Readonly<Record<string, unknown>>): RemoteRequest {
  const { glance_region: region, glance_image_id: imageId } = method
  const { glance_service_interface: given = 'public' } = method
  if (typeof region !== 'string' || region === '') {
    invalid("glance-download needs 'glance_region', the region that has the image")
  }
  if (typeof imageId !== 'string' || imageId === '') {
    invalid("glance-download needs 'glance_image_id', the id of the image there")
  }
  if (!isUuid(imageId)) {
    invalid(`The image id does not look like a UUID: ${JSON.stringify(imageId.slice(0, 64))}`)
  }
  if (typeof given !== 'string') invalid("'glance_service_interface' is a word, such as public")
  return { region, interface: given, imageId }
}
