import type { ImportMethod } from './import-method.ts'
import { importPlan } from './import-plan.ts'
import { targetStores } from './target-stores.ts'

/** Makes staged data the image's; where it was staged in a store that was asked for, no byte moves. */
export const glanceDirect: ImportMethod = {
  from: ['uploading'],
  action: 'modify_image',
  plan({ stores, image, request, header }) {
    const targets = targetStores(stores, request, header)
    return importPlan(image.id, request, targets)
  }
}
