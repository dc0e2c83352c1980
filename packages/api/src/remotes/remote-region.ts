import type { Readable } from 'node:stream'
import { isTankError, TankError } from '@tank/model'
import type { ImageServiceHttp, ServiceAnswer } from '../outbound/image-service-http.ts'
import { readSmall } from './read-small.ts'
import type { RemoteAccount } from './remote-account.ts'
import { type RemoteImage, readRemoteImage } from './remote-image.ts'
import type { RemoteRequest } from './remote-request.ts'
import { INTERFACES, type Interface, type RegionSection } from './remotes-section.ts'

/** An image that has data, as its own service says. */
export interface ActiveRemoteImage extends RemoteImage {
  readonly size: number
}

/** The data of an image on its way. */
export interface RemoteData {
  readonly body: Readable
  readonly size: number
}

export interface RegionOptions {
  readonly name: string
  readonly section: RegionSection
  readonly http: ImageServiceHttp
  readonly account: RemoteAccount
}

type Asked = Pick<RemoteRequest, 'interface' | 'imageId'>

/** Answers of a server that can send the data, or has none to send a part of. */
const SENDS: ReadonlySet<number> = new Set([200, 206, 416])

/** The image service of one region. */
export class RemoteRegion {
  readonly #name: string
  readonly #section: RegionSection
  readonly #http: ImageServiceHttp
  readonly #account: RemoteAccount

  constructor({ name, section, http, account }: RegionOptions) {
    this.#name = name
    this.#section = section
    this.#http = http
    this.#account = account
  }

  /**
   * An image that whoever asks may take: where the caller's own rights decide he has to see it, and to
   * be allowed to read its data. Throws INVALID_REQUEST, FORBIDDEN, IMAGE_STATE or DATA_UNAVAILABLE.
   */
  async look(asked: Asked, callerToken: string | undefined): Promise<ActiveRemoteImage> {
    if (this.#section.access === 'account') return this.show(asked)
    if (callerToken === undefined) {
      throw new TankError('FORBIDDEN', `Images of region '${this.#name}' are taken with a token`)
    }
    const url = await this.#url(asked)
    const get = (path: string, headers = {}) =>
      this.#get(`${url}${path}`, callerToken, { headers, signal: this.#deadline() })
    const image = await this.#read(await get(''), asked)
    const data = await get('/file', { range: 'bytes=0-0' })
    data.body.destroy()
    if (!SENDS.has(data.status)) throw this.#refusal(data.status, asked)
    return image
  }

  /** An image as Tank's own account sees it. Throws as `look` does. */
  async show(asked: Asked): Promise<ActiveRemoteImage> {
    const url = await this.#url(asked)
    const answer = await this.#asAccount((token) =>
      this.#get(url, token, { signal: this.#deadline() })
    )
    return this.#read(answer, asked)
  }

  /** The data of an image that `show` gave, fetched by Tank's own account. */
  async read(asked: Asked, { size }: ActiveRemoteImage, signal: AbortSignal): Promise<RemoteData> {
    const url = `${await this.#url(asked)}/file`
    const answer = await this.#asAccount((token) => this.#get(url, token, { signal }))
    const { status, headers, body } = answer
    const length = headers['content-length']
    if (status === 200 && (length === undefined || Number(length) === size)) return { body, size }
    body.destroy()
    throw status === 200
      ? this.#unavailable('it sends another size than its record says')
      : this.#refusal(status, asked)
  }

  async close(): Promise<void> {
    await this.#http.close()
    await this.#account.close()
  }

  /** Where the image is: as the configuration says, else as the catalogue of the account. */
  async #url({ interface: name, imageId }: Asked): Promise<string> {
    const known = INTERFACES.find((each) => each === name)
    const base =
      known === undefined
        ? undefined
        : (this.#section.endpoints[known] ?? (await this.#fromCatalogue(known)))
    if (base === undefined) {
      throw new TankError(
        'INVALID_REQUEST',
        `Region '${this.#name}' has no image service at its interface '${name.slice(0, 64)}'`
      )
    }
    return `${base.replace(/\/+$/, '').replace(/\/v2(\.\d+)?$/, '')}/v2/images/${imageId}`
  }

  async #fromCatalogue(name: Interface): Promise<string | undefined> {
    const endpoints = await this.#account.endpoints()
    const found = endpoints.find((each) => each.region === this.#name && each.interface === name)
    return found?.url
  }

  /** Asks with our own token, and once more when it was revoked or has expired. */
  async #asAccount(
    ask: (token: string | undefined) => Promise<ServiceAnswer>
  ): Promise<ServiceAnswer> {
    const token = await this.#account.token()
    const answer = await ask(token)
    if (answer.status !== 401 || token === undefined) return answer
    const other = await this.#account.tokenAfter(token)
    if (other === undefined) return answer
    answer.body.destroy()
    return ask(other)
  }

  async #get(
    url: string,
    token: string | undefined,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal }
  ): Promise<ServiceAnswer> {
    try {
      return await this.#http.ask({ url, token, ...more })
    } catch (cause) {
      throw this.#unavailable('it does not answer', cause)
    }
  }

  async #read(answer: ServiceAnswer, asked: Asked): Promise<ActiveRemoteImage> {
    if (answer.status !== 200) {
      answer.body.destroy()
      throw this.#refusal(answer.status, asked)
    }
    const image = readRemoteImage(await this.#json(answer), asked.imageId)
    if (image === undefined) throw this.#unavailable('its answer is no image')
    const { status, size } = image
    if (status === 'active' && size !== null) return { ...image, size }
    throw new TankError(
      'IMAGE_STATE',
      `The image in region '${this.#name}' is ${status.slice(0, 64)}; it has to be active`
    )
  }

  async #json({ body }: ServiceAnswer): Promise<unknown> {
    try {
      return JSON.parse(await readSmall(body))
    } catch (cause) {
      throw isTankError(cause) ? cause : this.#unavailable('its answer cannot be read', cause)
    }
  }

  #deadline(): AbortSignal {
    return AbortSignal.timeout(Math.ceil(this.#section.timeoutSeconds * 1000))
  }

  #refusal(status: number, { imageId }: Asked): TankError {
    const where = `region '${this.#name}'`
    if (status === 401 || status === 403) {
      return new TankError('FORBIDDEN', `The image service of ${where} refuses to give the image`)
    }
    if (status === 404) {
      const message = `There is no image ${imageId} in ${where}, or it may not be seen`
      return new TankError('INVALID_REQUEST', message)
    }
    if (status === 204) return this.#unavailable('the image has no data')
    return this.#unavailable(`it answered ${status}`)
  }

  #unavailable(why: string, cause?: unknown): TankError {
    return new TankError(
      'DATA_UNAVAILABLE',
      `The image service of region '${this.#name}' cannot be used: ${why}`,
      { cause }
    )
  }
}
