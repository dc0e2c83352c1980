import { randomUUID } from 'node:crypto'
import { TankError } from '@tank/model'
import { importInput } from './import-input.ts'
import type { ImportMethod } from './import-method.ts'
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
    return {
      kind: 'import',
      to: 'importing',
      fallback: 'queued',
      stores: targets,
      must_succeed: request.allMustSucceed,
      input: importInput(image.id, request, targets),
      location: null,
      outside: { blob_id: randomUUID(), store }
    }
  }
}
