import { setTimeout as sleep } from 'node:timers/promises'
import type { ImageDocument } from '@tank/model'
import { isTankClientError, TankClientError } from './errors.ts'
import { readImage } from './image-fields.ts'
import type { CallOptions, ImageHttp } from './image-http.ts'
import { imagePath } from './image-path.ts'
import { type ImageTask, listImageTasks } from './tasks.ts'
import type { Answer } from './transport.ts'

/** Where the data of an import goes. */
export interface ImportTargets {
  /** Stores that are to hold the data; the default store unless told. */
  readonly stores?: readonly string[] | undefined
  /** Every store that takes data. */
  readonly allStores?: boolean | undefined
  /** With false the image becomes active as soon as one store holds it. */
  readonly allStoresMustSucceed?: boolean | undefined
}

/** Where the data of an import comes from. */
export type ImportRequest = ImportTargets &
  (
    | { /** what was staged */ readonly method: 'glance-direct' }
    | { /** fetched by the server */ readonly method: 'web-download'; readonly uri: string }
    | {
        /** another region's image service */
        readonly method: 'glance-download'
        readonly region: string
        readonly imageId: string
        /** `public` unless told */
        readonly serviceInterface?: string | undefined
      }
    | { /** what one of its stores holds */ readonly method: 'copy-image' }
  )

/** How far an import is. */
export interface ImportProgress {
  readonly status: ImageTask['status']
  /** What the server says about it, such as `Copied 512 MiB`. */
  readonly message: string
  /** Bytes so far, where the server tells them. */
  readonly bytes: number | undefined
}

/** How an import is waited for; nothing but the signal ends the wait for one that goes on. */
export interface WaitOptions extends CallOptions {
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined
  /** First pause between two looks, 500 unless told; it grows to ten times of that. */
  readonly pollMs?: number | undefined
}

/** Work that a server has accepted. */
export interface ImportJob {
  readonly imageId: string
  /** Tells its task from others of the same image. */
  readonly requestId: string | undefined
  /** Resolves with the image when it is over; rejects with `IMPORT_FAILED` and the task's message. */
  wait(options?: WaitOptions): Promise<ImageDocument>
}

/** Bringing data into an image without sending it in one request. */
export interface Imports {
  /** Starts to bring data in; the server works on while nobody waits. */
  import(id: string, request: ImportRequest, options?: CallOptions): Promise<ImportJob>
  /** Starts to copy the data of an active image to further stores. */
  copyTo(id: string, stores: readonly string[] | 'all', options?: CallOptions): Promise<ImportJob>
  /** Waits for the import of that request, else for the latest one of the image. */
  waitFor(
    id: string,
    options?: WaitOptions & { readonly requestId?: string | undefined }
  ): Promise<ImageDocument>
}

export function createImports(http: ImageHttp): Imports {
  const start: Imports['import'] = async (id, request, options) => {
    const path = imagePath(id, 'import')
    const body = toBody(request)
    return toJob(
      http,
      id,
      await http.call({ method: 'POST', path, body, repeat: 'unsent', ...options })
    )
  }
  return {
    import: start,
    copyTo(id, stores, options) {
      const targets = stores === 'all' ? { allStores: true } : { stores }
      return start(id, { method: 'copy-image', ...targets }, options)
    },
    waitFor: (id, options = {}) => waitFor(http, id, options.requestId, options)
  }
}

/** The job that an accepted request has begun. */
export function toJob(http: ImageHttp, imageId: string, answer: Answer): ImportJob {
  const header = answer.headers['x-openstack-request-id']
  const requestId = Array.isArray(header) ? header[0] : header
  return {
    imageId,
    requestId,
    wait: (options = {}) => waitFor(http, imageId, requestId, options)
  }
}

function toBody(request: ImportRequest): Record<string, unknown> {
  const { stores, allStores, allStoresMustSucceed } = request
  return {
    method: toMethod(request),
    ...(stores !== undefined && { stores }),
    ...(allStores !== undefined && { all_stores: allStores }),
    ...(allStoresMustSucceed !== undefined && { all_stores_must_succeed: allStoresMustSucceed })
  }
}

function toMethod(request: ImportRequest): Record<string, unknown> {
  const { method: name } = request
  if (name === 'web-download') return { name, uri: request.uri }
  if (name !== 'glance-download') return { name }
  const { region, imageId, serviceInterface } = request
  return {
    name,
    glance_region: region,
    glance_image_id: imageId,
    ...(serviceInterface !== undefined && { glance_service_interface: serviceInterface })
  }
}

async function waitFor(
  http: ImageHttp,
  id: string,
  requestId: string | undefined,
  options: WaitOptions
): Promise<ImageDocument> {
  const { pollMs = 500, onProgress, signal } = options
  for (let pause = pollMs; ; pause = Math.min(pause * 1.5, pollMs * 10)) {
    const task = await findTask(http, id, requestId, signal)
    if (task?.status === 'failure') {
      const message = task.message || 'the server does not say why'
      throw new TankClientError('IMPORT_FAILED', `the import failed: ${message}`, { requestId })
    }
    if (task === undefined || task.status === 'success') {
      const image = await show(http, id, signal)
      if (task !== undefined) return image
      if (image[LOCK] === undefined) {
        if (image.status === 'active') return image
        const text = `no import is running, and the image is ${image.status}`
        throw new TankClientError('IMPORT_FAILED', text, { requestId })
      }
    } else onProgress?.(toProgress(task))
    await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        signal?.throwIfAborted()
        throw error
      }
    )
  }
}

/** Property of an image whose import is not over. */
const LOCK = 'os_glance_import_task'

/** Undefined where there is none, and on servers that show no tasks. */
async function findTask(
  http: ImageHttp,
  id: string,
  requestId: string | undefined,
  signal: AbortSignal | undefined
): Promise<ImageTask | undefined> {
  const tasks = await listImageTasks(http, id, { signal }).catch((error: unknown) => {
    if (isTankClientError(error) && (error.status === 404 || error.status === 403)) return []
    throw error
  })
  const own = requestId === undefined ? [] : tasks.filter((task) => task.request_id === requestId)
  if (requestId !== undefined) return own.at(-1)
  return tasks.toSorted((a, b) => a.created_at.localeCompare(b.created_at)).at(-1)
}

async function show(http: ImageHttp, id: string, signal: AbortSignal | undefined) {
  return readImage(
    await http.call({ method: 'GET', path: imagePath(id), repeat: 'always', signal })
  )
}

function toProgress({ status, message = '' }: ImageTask): ImportProgress {
  const [, mebibytes] = /^Copied (\d+) MiB$/.exec(message) ?? []
  return {
    status,
    message,
    bytes: mebibytes === undefined ? undefined : Number(mebibytes) * 2 ** 20
  }
}
