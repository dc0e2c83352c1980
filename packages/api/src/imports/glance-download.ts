import { randomUUID } from 'node:crypto'
import { TankError } from '@tank/model'
import { readRemoteRequest } from '../remotes/remote-request.ts'
import { readerOf } from '../remotes/remotes.ts'
import type { ImportMethod } from './import-method.ts'
import { importPlan } from './import-plan.ts'
import { takeOver } from './take-over.ts'
import { targetStores } from './target-stores.ts'

/**
 * Takes an image from the image service of another region. What the caller may have is decided here,
 * while his token is at hand; the data is fetched later, by an account of Tank's own, so that no token
 * of a caller is kept anywhere (S-02).
 */
export const glanceDownload: ImportMethod = {
  from: ['queued'],
  action: 'modify_image',
  check({ method }) {
    readRemoteRequest(method)
  },
  plan({ stores, image, request, header }) {
    const targets = targetStores(stores, request, header)
    const { region } = readRemoteRequest(request.method)
    const outside = { blob_id: randomUUID(), store: readerOf(region) }
    return importPlan(image.id, request, targets, outside)
  },
  async look({ remotes, request, token, caller, rules, prefixes, cap }) {
    const asked = readRemoteRequest(request.method)
    const remote = await remotes.region(asked.region).look(asked, token)
    if (remote.size > cap) {
      throw new TankError('TOO_LARGE', `An image has at most ${cap} bytes`)
    }
    return (image) => takeOver(remote, image, { caller, rules, prefixes })
  }
}
