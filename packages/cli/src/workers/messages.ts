import type { ApiServerConfig, LogLevel } from '../config.ts'

/** All that an API process needs. It travels over the private channel of a child process. */
export interface ApiAssignment {
  readonly config: ApiServerConfig
  readonly configFolder: string
  readonly logLevel: LogLevel
  /** `<host>/<instance>`; the process puts its pid behind. */
  readonly workerPrefix: string
}

export type ToWorker =
  | { readonly type: 'start'; readonly assignment: ApiAssignment }
  | { readonly type: 'stop' }
  | { readonly type: 'cut' }

export type FromWorker =
  | { readonly type: 'waiting' }
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'failed'; readonly message: string }
