import type {
  AbandonOperation,
  BeginOperation,
  FinishOperation,
  Heartbeat,
  Lease,
  RegistryCaller
} from '@tank/model'
import {
  checked,
  document,
  type Exchange,
  json,
  type RawDocument,
  type RegistryCallOptions,
  SYSTEM_CALLER
} from './registry-exchange.ts'

/** Work in progress on images, each with a lease. */
export interface OperationCalls {
  begin(c: RegistryCaller, operation: BeginOperation, o?: RegistryCallOptions): Promise<Lease>
  heartbeat(
    c: RegistryCaller,
    operationId: string,
    beat: Heartbeat,
    o?: RegistryCallOptions
  ): Promise<Lease>
  finish(
    c: RegistryCaller,
    operationId: string,
    finish: FinishOperation,
    o?: RegistryCallOptions
  ): Promise<RawDocument>
  abandon(
    c: RegistryCaller,
    operationId: string,
    abandon: AbandonOperation,
    o?: RegistryCallOptions
  ): Promise<void>
  /** Ends every running operation whose worker begins with the prefix; returns how many. */
  release(workerPrefix: string, o?: RegistryCallOptions): Promise<number>
}

/** The calls about operations over an exchange. */
export function createOperationCalls(exchange: Exchange): OperationCalls {
  const post = async (
    caller: RegistryCaller,
    path: string,
    body: object,
    o: RegistryCallOptions | undefined
  ) => checked(await exchange(caller, 'POST', `/v1/operations${path}`, body, o))
  const pathOf = (id: string, action: string) => `/${encodeURIComponent(id)}/${action}`
  return {
    begin: async (caller, operation, o) => json<Lease>(await post(caller, '', operation, o)),
    heartbeat: async (caller, id, beat, o) =>
      json<Lease>(await post(caller, pathOf(id, 'heartbeat'), beat, o)),
    finish: async (caller, id, finish, o) =>
      document(await post(caller, pathOf(id, 'finish'), finish, o)),
    async abandon(caller, id, abandon, o) {
      await post(caller, pathOf(id, 'abandon'), abandon, o)
    },
    async release(workerPrefix, o) {
      const body = { worker_prefix: workerPrefix }
      const answer = await post(SYSTEM_CALLER, '/release', body, o)
      return json<{ released: number }>(answer).released
    }
  }
}
