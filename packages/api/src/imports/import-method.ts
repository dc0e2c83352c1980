import type { EnqueueOperation, ImageDocument, ImportedFields, TankError } from '@tank/model'
import type { Stores } from '@tank/store'
import type { Caller } from '../identity/caller.ts'
import type { ImageRules } from '../images/new-image.ts'
import type { Action } from '../policy/actions.ts'
import type { Remotes } from '../remotes/remotes.ts'
import type { ImportRequest } from './import-request.ts'

interface ImportContext {
  readonly stores: Stores
  readonly image: Pick<ImageDocument, 'id' | 'stores'>
  readonly request: ImportRequest
  /** Store named by the header x-image-meta-store. */
  readonly header: string | undefined
}

export interface LookContext {
  readonly remotes: Remotes
  readonly request: ImportRequest
  readonly caller: Caller
  /** The token of the caller, where the service in the other region can be asked with it. */
  readonly token: string | undefined
  readonly rules: ImageRules
  /** Beginnings of the names of properties that are taken over. */
  readonly prefixes: readonly string[]
  /** Most bytes of one image. */
  readonly cap: number
}

/** What an image becomes along with its import, or why nothing can become of that: its task says it. */
export type Found =
  | { readonly change: (image: ImageDocument) => ImportedFields }
  | { readonly failure: TankError }

/** One way to get data into an image. Its parts are asked in the order of I4, I6, I7 and I9–I14. */
export interface ImportMethod {
  /** Statuses of the image in which it may begin. */
  readonly from: readonly ImageDocument['status'][]
  readonly action: Action
  /** Refuses what cannot be meant (I6). */
  check?(request: ImportRequest): void
  /** The work that it takes, undefined when there is none to do. */
  plan(context: ImportContext): Omit<EnqueueOperation, 'id' | 'image_id' | 'from'> | undefined
  /** Looks at what is to be imported, where that lies elsewhere and the caller has to have a right to it. */
  look?(context: LookContext): Promise<Found>
}
