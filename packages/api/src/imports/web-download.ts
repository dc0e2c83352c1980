import { randomUUID } from 'node:crypto'
import { TankError } from '@tank/model'
import type { ImportMethod } from './import-method.ts'
import { importPlan } from './import-plan.ts'
import { targetStores } from './target-stores.ts'
import { storeForUri } from './uri.ts'

/**
 * Fetches what lies at a URL. What the URL itself shows is refused at once (I14); all that is learned
 * from the network is told by the task, and alike whatever it was (S-17).
 */
export const webDownload: ImportMethod = {
  from: ['queued'],
  action: 'modify_image',
  plan({ stores, image, request, header }) {
    const targets = targetStores(stores, request, header)
    const { uri } = request.method
    const store = typeof uri === 'string' ? storeForUri(stores, uri) : undefined
    if (store === undefined) {
      throw new TankError('INVALID_REQUEST', "The 'uri' is missing or does not pass filtering")
    }
    const outside = { blob_id: randomUUID(), store }
    return importPlan(image.id, request, targets, outside)
  }
}
