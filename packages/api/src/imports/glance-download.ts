import { randomUUID } from 'node:crypto'
import { isTankError, TankError } from '@tank/model'
import type { ActiveRemoteImage } from '../remotes/remote-region.ts'
import { readRemoteRequest } from '../remotes/remote-request.ts'
import { readerOf } from '../remotes/remotes.ts'
import type { ImportMethod, LookContext } from './import-method.ts'
import { importPlan } from './import-plan.ts'
import { takeOver } from './take-over.ts'
import { targetStores } from './target-stores.ts'

async function lookAt({
  remotes,
  request,
  token,
  cap
}: LookContext): Promise<ActiveRemoteImage | TankError> {
  const asked = readRemoteRequest(request.method)
  try {
    const remote = await remotes.region(asked.region).look(asked, token)
    if (remote.size <= cap) return remote
    return new TankError('TOO_LARGE', `An image has at most ${cap} bytes`)
  } catch (error) {
    if (isTankError(error) && !isTankError(error, 'INTERNAL')) return error
    throw error
  }
}

/**
 * Takes an image from the image service of another region. What the caller may have is decided here,
 * while his token is at hand; the data is fetched later, by an account of Tank's own, so that no token
 * of a caller is kept anywhere (S-02). What the other service says of it is the task's to tell: only a
 * request that makes no sense is refused.
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
  async look(context) {
    const remote = await lookAt(context)
    if (remote instanceof TankError) return { failure: remote }
    const { caller, rules, prefixes } = context
    return { change: (image) => takeOver(remote, image, { caller, rules, prefixes }) }
  }
}
