import type {
  CreateImage,
  ImageData,
  ImageLocations,
  RegistryCaller,
  UpdateImage
} from '@tank/model'
import {
  checked,
  document,
  type Exchange,
  headerText,
  json,
  type RawDocument,
  type RegistryCallOptions
} from './registry-exchange.ts'
import { areSo, fulfils } from './registry-wish.ts'

/** One page of images: `body` is a JSON array. */
export interface RawPage {
  readonly body: Buffer
  readonly nextMarker: string | undefined
}

/** Records of images. */
export interface ImageCalls {
  createImage(c: RegistryCaller, image: CreateImage, o?: RegistryCallOptions): Promise<RawDocument>
  /** `query`: the raw query of the list, without `?`. */
  listImages(c: RegistryCaller, query: string, o?: RegistryCallOptions): Promise<RawPage>
  getImage(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<RawDocument>
  updateImage(
    c: RegistryCaller,
    id: string,
    version: string,
    fields: UpdateImage,
    o?: RegistryCallOptions
  ): Promise<RawDocument>
  deleteImage(
    c: RegistryCaller,
    id: string,
    version?: string,
    o?: RegistryCallOptions
  ): Promise<void>
  /** Deactivates or reactivates. */
  setActive(c: RegistryCaller, id: string, active: boolean, o?: RegistryCallOptions): Promise<void>
  getImageData(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<ImageData>
  /** Where the data of at most 1000 images lies; those that the caller does not see are left out. */
  findLocations(
    c: RegistryCaller,
    ids: readonly string[],
    o?: RegistryCallOptions
  ): Promise<ImageLocations[]>
}

/** The calls about images over an exchange. */
export function createImageCalls(exchange: Exchange): ImageCalls {
  const getImage: ImageCalls['getImage'] = async (caller, id, o) =>
    document(checked(await exchange(caller, 'GET', imagePath(id), undefined, o)))
  const getImageData: ImageCalls['getImageData'] = async (caller, id, o) =>
    json<ImageData>(checked(await exchange(caller, 'GET', `${imagePath(id)}/data`, undefined, o)))

  /** Whether an image, as it is now, already has what an update wants. */
  const isDone = async (
    caller: RegistryCaller,
    id: string,
    current: RawDocument,
    { locations, announced, ...fields }: UpdateImage,
    o: RegistryCallOptions | undefined
  ): Promise<boolean> => {
    // what was announced is not shown: it is said again
    if (announced !== undefined || !fulfils(current.body, fields)) return false
    return locations === undefined || areSo(await getImageData(caller, id, o), locations)
  }

  return {
    getImage,
    getImageData,
    async createImage(caller, image, o) {
      return document(checked(await exchange(caller, 'POST', '/v1/images', image, o)))
    },
    async listImages(caller, query, o) {
      const path = query === '' ? '/v1/images' : `/v1/images?${query}`
      const answer = checked(await exchange(caller, 'GET', path, undefined, o))
      return { body: answer.body, nextMarker: headerText(answer.headers['tank-next-marker']) }
    },
    async updateImage(caller, id, version, fields, o) {
      const answer = await exchange(caller, 'PATCH', imagePath(id), fields, o, version)
      if (answer.status === 412 && answer.repeated) {
        // The first sending may have been carried out with its answer lost: look before saying no.
        const current = await getImage(caller, id, o)
        if (await isDone(caller, id, current, fields, o)) return current
      }
      return document(checked(answer))
    },
    async deleteImage(caller, id, version, o) {
      const answer = await exchange(caller, 'DELETE', imagePath(id), undefined, o, version)
      if (answer.status === 404 && answer.repeated) return
      checked(answer)
    },
    async setActive(caller, id, active, o) {
      const path = `${imagePath(id)}/${active ? 'reactivate' : 'deactivate'}`
      checked(await exchange(caller, 'POST', path, undefined, o))
    },
    async findLocations(caller, ids, o) {
      const path = '/v1/images/locations'
      const answer = await exchange(caller, 'POST', path, { ids }, o)
      return json<{ images: ImageLocations[] }>(checked(answer)).images
    }
  }
}

function imagePath(id: string): string {
  return `/v1/images/${encodeURIComponent(id)}`
}
