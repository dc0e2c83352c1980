import { type RegistryCaller, TankError } from '@tank/model'
import type { Dispatcher } from 'undici'
import { problemToError } from './problems.ts'
import type { FailoverAnswer } from './registry-failover.ts'

/** Every call can be given up. */
export interface RegistryCallOptions {
  readonly signal?: AbortSignal | undefined
}

/** An image as JSON text, passed on as it came. */
export interface RawDocument {
  readonly body: Buffer
  readonly version: string
}

/**
 * Sends one call; answers of 300 and above are returned, not thrown. With a `version` it is for the
 * image of that version alone.
 */
export type Exchange = (
  caller: RegistryCaller,
  method: Dispatcher.HttpMethod,
  path: string,
  body: object | undefined,
  options: RegistryCallOptions | undefined,
  version?: string
) => Promise<FailoverAnswer>

/** Who calls when nobody asked for it: collectors and workers. */
export const SYSTEM_CALLER: RegistryCaller = {
  project: null,
  user: null,
  scope: 'all',
  requestId: ''
}

/** Throws what an answer of 400 and above says, and for one that no registry gives. */
export function checked(answer: FailoverAnswer): FailoverAnswer {
  if (answer.status >= 400) throw problemToError(answer)
  if (answer.status >= 300) throw noRegistry(`answers ${answer.status}`)
  return answer
}

export function json<T>(answer: FailoverAnswer): T {
  try {
    return JSON.parse(answer.body.toString('utf8'))
  } catch (cause) {
    throw noRegistry('answers what is no JSON', { cause })
  }
}

function noRegistry(does: string, options?: ErrorOptions): TankError {
  const text = `what the URL of the registry names ${does}: is the URL right?`
  return new TankError('REGISTRY_UNAVAILABLE', text, options)
}

/** An image of an answer, with its version. */
export function document(answer: FailoverAnswer): RawDocument {
  const etag = headerText(answer.headers.etag) ?? ''
  return { body: answer.body, version: etag.startsWith('"') ? etag.slice(1, -1) : etag }
}

/** A header, the first of several. */
export function headerText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
