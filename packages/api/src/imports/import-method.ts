import type { EnqueueOperation, ImageDocument } from '@tank/model'
import type { Stores } from '@tank/store'
import type { Action } from '../policy/actions.ts'
import type { ImportRequest } from './import-request.ts'

interface ImportContext {
  readonly stores: Stores
  readonly image: Pick<ImageDocument, 'id' | 'stores'>
  readonly request: ImportRequest
  /** Store named by the header x-image-meta-store. */
  readonly header: string | undefined
}

/** One way to get data into an image. Its parts are asked in the order of I4, I7 and I9–I14. */
export interface ImportMethod {
  /** Statuses of the image in which it may begin. */
  readonly from: readonly ImageDocument['status'][]
  readonly action: Action
  /** The work that it takes, undefined when there is none to do. */
  plan(context: ImportContext): Omit<EnqueueOperation, 'id' | 'image_id' | 'from'> | undefined
}
