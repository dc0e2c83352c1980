import type { RegistryCaller } from '@tank/model'
import type { Dispatcher } from 'undici'
import { problemToError } from './problems.ts'
import type { FailoverAnswer } from './registry-failover.ts'

export interface RegistryCallOptions {
  readonly signal?: AbortSignal | undefined
}

/** Sends one call; answers of 400 and above are returned, not thrown. */
export type Exchange = (
  caller: RegistryCaller,
  method: Dispatcher.HttpMethod,
  path: string,
  body: object | undefined,
  options: RegistryCallOptions | undefined
) => Promise<FailoverAnswer>

/** Who calls when nobody asked for it: collectors and workers. */
export const SYSTEM_CALLER: RegistryCaller = {
  project: null,
  user: null,
  scope: 'all',
  requestId: ''
}

/** Throws what an answer of 400 and above says. */
export function checked(answer: FailoverAnswer): FailoverAnswer {
  if (answer.status >= 400) throw problemToError(answer)
  return answer
}

export function json<T>(answer: FailoverAnswer): T {
  return JSON.parse(answer.body.toString('utf8'))
}
