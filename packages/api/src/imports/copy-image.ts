import { TankError } from '@tank/model'
import { importInput } from './import-input.ts'
import type { ImportMethod } from './import-method.ts'
import { targetStores } from './target-stores.ts'

/** Copies data to further stores; the image stays active all the time. */
export const copyImage: ImportMethod = {
  from: ['active'],
  action: 'copy_image',
  plan({ stores, image, request, header }) {
    const chosen = targetStores(stores, request, header)
    const held = new Set((image.stores ?? '').split(','))
    const taken = chosen.find((name) => held.has(name))
    if (taken !== undefined && !request.allStores) {
      throw new TankError('INVALID_REQUEST', `The image is in store '${taken}' already`)
    }
    const targets = chosen.filter((name) => !held.has(name))
    if (targets.length === 0) return undefined
    return {
      kind: 'copy',
      to: null,
      fallback: 'active',
      stores: targets,
      must_succeed: request.allMustSucceed,
      input: importInput(image.id, request, targets),
      location: null
    }
  }
}
