import type {
  ActivateLocation,
  BeginTarget,
  ClaimOperation,
  CompleteOperation,
  EnqueueOperation,
  ImageData,
  Job,
  RegistryCaller,
  TargetFailed,
  TargetStored,
  TaskDocument,
  TaskPage
} from '@tank/model'
import {
  checked,
  type Exchange,
  json,
  type RegistryCallOptions,
  SYSTEM_CALLER
} from './registry-exchange.ts'

/** Background work: asked for by the API, done by whichever worker claims it. */
export interface BackgroundCalls {
  /**
   * Rejects with IMAGE_STATE, IMAGE_BUSY, QUOTA_EXCEEDED, VERSION_CONFLICT, or INVALID_REQUEST (in a
   * store already).
   */
  enqueue(c: RegistryCaller, operation: EnqueueOperation, o?: RegistryCallOptions): Promise<void>
  /** The longest waiting work that the worker has the stores for; null when there is none. */
  claim(claim: ClaimOperation, o?: RegistryCallOptions): Promise<Job | null>
  beginTarget(
    c: RegistryCaller,
    operationId: string,
    target: BeginTarget,
    o?: RegistryCallOptions
  ): Promise<void>
  targetStored(
    c: RegistryCaller,
    operationId: string,
    stored: TargetStored,
    o?: RegistryCallOptions
  ): Promise<void>
  targetFailed(
    c: RegistryCaller,
    operationId: string,
    failed: TargetFailed,
    o?: RegistryCallOptions
  ): Promise<void>
  activate(
    c: RegistryCaller,
    operationId: string,
    location: ActivateLocation,
    o?: RegistryCallOptions
  ): Promise<void>
  complete(
    c: RegistryCaller,
    operationId: string,
    complete: CompleteOperation,
    o?: RegistryCallOptions
  ): Promise<void>
  listImageTasks(
    c: RegistryCaller,
    imageId: string,
    o?: RegistryCallOptions
  ): Promise<TaskDocument[]>
  /** `query`: the raw query of the list, without `?`. */
  listTasks(c: RegistryCaller, query: string, o?: RegistryCallOptions): Promise<TaskPage>
  /** Rejects with OPERATION_NOT_FOUND. */
  getTask(c: RegistryCaller, id: string, o?: RegistryCallOptions): Promise<TaskDocument>
  /** Rejects with IMAGE_STATE, FORBIDDEN (the only store) or NOT_FOUND (not in this one). */
  removeFromStore(
    c: RegistryCaller,
    imageId: string,
    store: string,
    o?: RegistryCallOptions
  ): Promise<void>
}

/** The calls of background work over an exchange. */
export function createBackgroundCalls(exchange: Exchange): BackgroundCalls {
  const post = async (
    caller: RegistryCaller,
    path: string,
    body: object,
    options: RegistryCallOptions | undefined
  ) => checked(await exchange(caller, 'POST', `/v1/operations/${path}`, body, options))
  const act =
    <B extends object>(action: string) =>
    async (caller: RegistryCaller, id: string, body: B, options?: RegistryCallOptions) => {
      await post(caller, `${encodeURIComponent(id)}/${action}`, body, options)
    }
  return {
    async enqueue(caller, operation, options) {
      await post(caller, 'enqueue', operation, options)
    },
    claim: async (claim, options) =>
      json<{ job: Job | null }>(await post(SYSTEM_CALLER, 'claim', claim, options)).job,
    beginTarget: act<BeginTarget>('placements'),
    targetStored: act<TargetStored>('placements/stored'),
    targetFailed: act<TargetFailed>('placements/failed'),
    activate: act<ActivateLocation>('activate'),
    complete: act<CompleteOperation>('complete'),
    async listImageTasks(caller, imageId, options) {
      const path = `/v1/images/${encodeURIComponent(imageId)}/tasks`
      const answer = checked(await exchange(caller, 'GET', path, undefined, options))
      return json<{ tasks: TaskDocument[] }>(answer).tasks
    },
    async listTasks(caller, query, options) {
      const path = query === '' ? '/v1/tasks' : `/v1/tasks?${query}`
      return json<TaskPage>(checked(await exchange(caller, 'GET', path, undefined, options)))
    },
    async getTask(caller, id, options) {
      const path = `/v1/tasks/${encodeURIComponent(id)}`
      return json<TaskDocument>(checked(await exchange(caller, 'GET', path, undefined, options)))
    },
    async removeFromStore(caller, imageId, store, options) {
      const image = `/v1/images/${encodeURIComponent(imageId)}`
      const path = `${image}/stores/${encodeURIComponent(store)}`
      const answer = await exchange(caller, 'DELETE', path, undefined, options)
      if (answer.repeated && (answer.status === 403 || answer.status === 404)) {
        // The first sending may have been carried out with its answer lost: look before saying no.
        const data = await exchange(caller, 'GET', `${image}/data`, undefined, options)
        const { placements } = json<ImageData>(checked(data))
        if (placements.every((placement) => placement.store !== store)) return
      }
      checked(answer)
    }
  }
}
