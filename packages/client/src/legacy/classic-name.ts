import { isTankClientError, type TankClientErrorCode } from '../errors.ts'

/** Names that the errors of the classic client have. */
export type ClassicName =
  | 'MultipleChoices'
  | 'Invalid'
  | 'NotAuthenticated'
  | 'Forbidden'
  | 'NotFound'
  | 'Duplicate'
  | 'LimitExceeded'
  | 'ServerError'
  | 'ServiceUnavailable'
  | 'UnexpectedStatus'
  | 'InvalidRedirect'
  | 'MaxRedirectsExceeded'
  | 'ClientConnectionError'
  | 'ClientConfigurationError'
  | 'NoServiceEndpoint'
  | 'RegionAmbiguity'

const BY_STATUS: Readonly<Record<number, ClassicName>> = {
  300: 'MultipleChoices',
  400: 'Invalid',
  401: 'NotAuthenticated',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Duplicate',
  413: 'LimitExceeded',
  500: 'ServerError',
  503: 'ServiceUnavailable'
}

const BY_CODE: Readonly<Partial<Record<TankClientErrorCode, ClassicName>>> = {
  INVALID_REDIRECT: 'InvalidRedirect',
  TOO_MANY_REDIRECTS: 'MaxRedirectsExceeded',
  UNREACHABLE: 'ClientConnectionError',
  CERTIFICATE_REFUSED: 'ClientConnectionError',
  CONNECTION_CLOSED: 'ClientConnectionError',
  TIMEOUT: 'ClientConnectionError',
  TLS_FILES: 'ClientConnectionError',
  MISCONFIGURED: 'ClientConfigurationError',
  NO_ENDPOINT: 'NoServiceEndpoint',
  AMBIGUOUS_ENDPOINT: 'RegionAmbiguity',
  INVALID_REQUEST: 'Invalid'
}

/**
 * The name that the classic client has for a failure, undefined for what is no `TankClientError`.
 * There is one class of errors here; these names are for programs that were written for the many.
 */
export function classicName(error: unknown): ClassicName | undefined {
  if (!isTankClientError(error)) return undefined
  const named = BY_CODE[error.code]
  if (error.status === undefined) return named ?? 'UnexpectedStatus'
  if (named === 'InvalidRedirect' || named === 'MaxRedirectsExceeded') return named
  return BY_STATUS[error.status] ?? 'UnexpectedStatus'
}
