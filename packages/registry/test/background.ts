import { randomUUID } from 'node:crypto'
import type { EnqueueOperation, Job, Placement, TaskDocument } from '@tank/model'
import type { Answer, TestCaller, TestRegistry } from './registry.ts'

const ADMIN: TestCaller = { scope: 'all', user: 'root', project: 'ops' }

/** What `createActive` says that its bytes are. */
const SAME = { sha256: 'ab'.repeat(32), md5: 'cd'.repeat(16) }

export function copyTo(imageId: string, ...stores: string[]): EnqueueOperation {
  return {
    id: randomUUID(),
    kind: 'copy',
    image_id: imageId,
    from: ['active'],
    to: null,
    fallback: 'active',
    stores,
    must_succeed: true,
    input: { image_id: imageId, backend: stores },
    location: null
  }
}

export function locationOf(imageId: string, url = 'http://example.test/x'): EnqueueOperation {
  const placement = { id: randomUUID(), store: 'web', key: url, role: 'external' } as const
  return {
    ...copyTo(imageId, 'web'),
    kind: 'location',
    from: ['queued'],
    to: 'importing',
    fallback: 'queued',
    input: { image_id: imageId, loc_url: url },
    location: { blob_id: randomUUID(), placement }
  }
}

/** Of staged data, or of what lies outside. */
export function importInto(
  imageId: string,
  from: 'staged' | 'outside',
  ...stores: string[]
): EnqueueOperation {
  return {
    ...copyTo(imageId, ...stores),
    kind: 'import',
    from: [from === 'staged' ? 'uploading' : 'queued'],
    to: 'importing',
    fallback: 'queued',
    ...(from === 'staged' ? {} : { outside: { blob_id: randomUUID(), store: 'web' } })
  }
}

export function facts(size: number, sha256 = SAME.sha256) {
  return {
    size,
    sha256,
    md5: SAME.md5,
    os_hash_algo: 'sha256',
    os_hash_value: sha256,
    virtual_size: null,
    format: null
  }
}

/** What the API asks for, and what its workers call. */
export function createJobs({ call }: TestRegistry) {
  const act = (job: Pick<Job, 'id'>, action: string, body: object) =>
    call(ADMIN, 'POST', `/operations/${job.id}/${action}`, body)
  return {
    act,
    enqueue: (operation: EnqueueOperation, caller: TestCaller = ADMIN) =>
      call(caller, 'POST', '/operations/enqueue', operation),
    async claim(
      stores: readonly string[],
      attempt: string = randomUUID(),
      worker = 'host/1/w'
    ): Promise<Worker | null> {
      const kinds = ['copy', 'location', 'import']
      const body = { worker, attempt, kinds, stores }
      const { json } = await call(ADMIN, 'POST', '/operations/claim', body)
      return json.job === null ? null : { ...(json.job as Job), attempt }
    },
    async begin(job: Worker, store: string): Promise<Placement> {
      const placement = { id: randomUUID(), store, key: randomUUID(), role: 'data' } as const
      const answer = await act(job, 'placements', { attempt: job.attempt, placement })
      if (answer.status !== 204) throw new Error(`${answer.status} ${answer.text}`)
      return placement
    },
    stored: (job: Worker, placement: Placement, blob: object): Promise<Answer> =>
      act(job, 'placements/stored', { attempt: job.attempt, placement_id: placement.id, blob }),
    failed: (job: Worker, store: string): Promise<Answer> =>
      act(job, 'placements/failed', { attempt: job.attempt, store, reason: `no room in ${store}` }),
    complete: (job: Worker): Promise<Answer> => act(job, 'complete', { attempt: job.attempt }),
    image: async (id: string) => (await call(ADMIN, 'GET', `/images/${id}`)).json,
    tasks: async (id: string, caller: TestCaller = ADMIN) =>
      (await call(caller, 'GET', `/images/${id}/tasks`)).json.tasks as TaskDocument[],
    remove: (id: string, store: string, caller: TestCaller = ADMIN) =>
      call(caller, 'DELETE', `/images/${id}/stores/${store}`)
  }
}

export type Worker = Job & { readonly attempt: string }
