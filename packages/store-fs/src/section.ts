import type { FileHandle } from 'node:fs/promises'
import { StoreError } from '@tank/store'

/** The part of an open file that is to be sent. */
export interface Section {
  readonly handle: FileHandle
  readonly offset: number
  readonly length: number
}

export function tooShort(): StoreError {
  return new StoreError('FAILED', 'the file is shorter than it was when it was opened')
}
