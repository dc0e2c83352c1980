import { copyImage } from './copy-image.ts'
import type { ImportMethod } from './import-method.ts'

/** Every import method by its name in the API; the configuration says which are on. */
export const IMPORT_METHODS: ReadonlyMap<string, ImportMethod> = new Map([
  ['copy-image', copyImage]
])
