import type { LegacyBrief } from '@tank/client'
import { isTankClientError } from '@tank/client/tank-client'
import { type Command, integer } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { choose } from '../remote/prompt.ts'
import { CLASSIC_FLAGS, DRY_RUN_FLAG, FORCE_FLAG, LIST_FLAGS } from './flags.ts'
import { pagesOf } from './list.ts'
import { ClassicFailure, type ClassicSession, withClassic, wordsOf } from './session.ts'

async function mayGo({ call, signal }: ClassicSession, question: string): Promise<void> {
  if (call.values.force === true) return
  if (await choose(call, question, { otherwise: false, signal })) return
  throw new ClassicFailure('Nothing was deleted. --force does it without a question.')
}

export const deleteCommand: Command = {
  words: 'ID',
  details: 'Asks first; where nobody can be asked, --force is needed.',
  flags: { ...CLASSIC_FLAGS, ...FORCE_FLAG, ...DRY_RUN_FLAG },
  async run(call) {
    const [id = ''] = wordsOf(call, 'ID')
    return await withClassic(call, id, async (session) => {
      if (call.values['dry-run'] === true) {
        call.print(`Image ${printable(id)} would be deleted\n`)
        return
      }
      await mayGo(session, `Delete image ${printable(id)}?`)
      await session.client.deleteImage(id, { signal: session.signal })
      call.print(`Deleted image ${printable(id)}\n`)
    })
  }
}

const PAGE = 100

/** Deletes one of many; a failure is told and ends nothing. */
async function remove(session: ClassicSession, { id, name }: LegacyBrief): Promise<boolean> {
  const { call, client, signal } = session
  try {
    await client.deleteImage(id, { signal })
  } catch (error) {
    if (!isTankClientError(error) || error.status === undefined || error.status === 401) throw error
    // another one was faster
    if (error.status === 404) return true
    const text = error.status === 403 ? 'You do not have permission to delete it' : error.message
    call.print(`Image ${id} is left: ${printable(text)}\n`)
    return false
  }
  if (session.isVerbose) call.print(`Deleted image ${id} (${printable(name ?? '')})\n`)
  return true
}

export const clear: Command = {
  details: 'Deletes all images that tank index shows. Asks first.',
  flags: { ...CLASSIC_FLAGS, limit: LIST_FLAGS.limit, ...FORCE_FLAG, ...DRY_RUN_FLAG },
  async run(call) {
    return await withClassic(call, undefined, async (session) => {
      const { client, signal } = session
      const isDryRun = call.values['dry-run'] === true
      if (!isDryRun) await mayGo(session, 'Delete all images?')
      const list = { limit: integer(call, 'limit') ?? PAGE }
      const get = (page: object) => client.getImages(page, { signal })
      // found before the first one goes, since a page begins after an image that is there
      const images: LegacyBrief[] = []
      for await (const page of pagesOf(list, { get, more: async () => true })) images.push(...page)
      let left = 0
      for (const image of images) {
        if (isDryRun) call.print(`Image ${image.id} would be deleted\n`)
        else if (!(await remove(session, image))) left += 1
      }
      if (left > 0) throw new ClassicFailure(`${left} of ${images.length} images are left.`)
    })
  }
}
