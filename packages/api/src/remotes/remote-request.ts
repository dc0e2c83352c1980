import { isUuid, TankError } from '@tank/model'
import { INTERFACES, type Interface } from './remotes-section.ts'

/** An image at the image service of another region. */
export interface RemoteRequest {
  readonly region: string
  readonly interface: Interface
  readonly imageId: string
}

function invalid(message: string): never {
  throw new TankError('INVALID_REQUEST', message)
}

function readInterface(value: unknown): Interface {
  const found = INTERFACES.find((name) => name === value)
  return found ?? invalid(`'glance_service_interface' is one of ${INTERFACES.join(', ')}`)
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
    invalid(`'glance_image_id' ${JSON.stringify(imageId.slice(0, 64))} does not look like a UUID`)
  }
  return { region, interface: readInterface(given), imageId }
}
