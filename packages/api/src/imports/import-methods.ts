import type { Stores } from '@tank/store'
import { copyImage } from './copy-image.ts'
import { glanceDirect } from './glance-direct.ts'
import { glanceDownload } from './glance-download.ts'
import type { ImportMethod } from './import-method.ts'
import { webDownload } from './web-download.ts'

/** Every import method by its name in the API; the configuration says which are on. */
export const IMPORT_METHODS: ReadonlyMap<string, ImportMethod> = new Map([
  ['glance-direct', glanceDirect],
  ['web-download', webDownload],
  ['copy-image', copyImage],
  ['glance-download', glanceDownload]
])

/** Import methods that are on and possible: nothing is downloaded where no store reads the web. */
export function offeredMethods(methods: readonly string[], stores: Stores): readonly string[] {
  const readsWeb = stores.names().some((name) => stores.get(name)?.accepts !== undefined)
  return methods.filter((name) => name !== 'web-download' || readsWeb)
}
