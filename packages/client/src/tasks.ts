import { TankClientError } from './errors.ts'
import { type CallOptions, type ImageHttp, readList, readObject } from './image-http.ts'
import { imagePath } from './image-path.ts'
import { type ListOptions, listPages } from './pages.ts'

/** Work of a server on an image. */
export interface ImageTask {
  readonly id: string
  /** `api_image_import`, `location_import` or `import` */
  readonly type: string
  readonly status: 'pending' | 'processing' | 'success' | 'failure'
  readonly owner: string | null
  /** Missing in lists. */
  readonly message?: string
  readonly input?: Readonly<Record<string, unknown>> | null
  readonly result?: Readonly<Record<string, unknown>> | null
  readonly image_id?: string | null
  readonly request_id?: string | null
  readonly user_id?: string | null
  readonly created_at: string
  readonly updated_at: string
  /** When the record is forgotten; null while the work is not over. */
  readonly expires_at: string | null
}

/** Which tasks a list is to have. */
export interface TaskFilter {
  readonly status?: ImageTask['status']
  readonly type?: string
}

/** Work that the server does after its answer. */
export interface Tasks {
  /** Tasks of one image that belong to the caller's project, with their messages. */
  ofImage(imageId: string, options?: CallOptions): Promise<ImageTask[]>
  /** Every task; for administrators. */
  list(filter?: TaskFilter, options?: ListOptions): AsyncGenerator<ImageTask, void, undefined>
  show(id: string, options?: CallOptions): Promise<ImageTask>
}

export function createTasks(http: ImageHttp): Tasks {
  return {
    ofImage: (imageId, options) => listImageTasks(http, imageId, options),
    async *list(filter = {}, options = {}) {
      const wanted = { ...filter }
      for await (const task of listPages(http, '/v2/tasks', 'tasks', wanted, options)) {
        yield toTask(task)
      }
    },
    async show(id, options) {
      const path = `/v2/tasks/${encodeURIComponent(id)}`
      return toTask(
        readObject(await http.call({ method: 'GET', path, repeat: 'always', ...options }))
      )
    }
  }
}

export async function listImageTasks(
  http: ImageHttp,
  imageId: string,
  options: CallOptions = {}
): Promise<ImageTask[]> {
  const path = imagePath(imageId, 'tasks')
  const answer = await http.call({ method: 'GET', path, repeat: 'always', ...options })
  return readList(answer, 'tasks').map(toTask)
}

const STATUSES: ReadonlySet<unknown> = new Set(['pending', 'processing', 'success', 'failure'])

function toTask(value: unknown): ImageTask {
  if (!isTask(value)) throw new TankClientError('BAD_ANSWER', 'the server sent no task')
  return value
}

function isTask(value: unknown): value is ImageTask {
  if (typeof value !== 'object' || value === null) return false
  return (
    'id' in value &&
    typeof value.id === 'string' &&
    'status' in value &&
    STATUSES.has(value.status) &&
    'created_at' in value &&
    typeof value.created_at === 'string'
  )
}
