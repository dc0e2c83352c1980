import type { TankClient } from '@tank/client'
import type { Command } from '../command-line.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { withSession } from '../remote/session.ts'
import { oneWord, wordsAfter } from './fields.ts'

type Options = { readonly signal: AbortSignal }

/** A command that does one thing with an image for each further word. */
function perWord(
  words: string,
  more: string,
  act: (tank: TankClient, id: string, word: string, options: Options) => Promise<unknown>
): Command {
  return {
    words,
    flags: CONNECTION_FLAGS,
    async run(call) {
      const [image, rest] = wordsAfter(call, 'image', more)
      return await withSession(call, async (session) => {
        const { id } = await findImage(session, image)
        for (const word of rest) await act(session.tank, id, word, { signal: session.signal })
      })
    }
  }
}

/** A command that does one thing with an image. */
function simple(
  details: string,
  act: (tank: TankClient, id: string, options: Options) => Promise<unknown>
): Command {
  return {
    words: 'IMAGE',
    details,
    flags: CONNECTION_FLAGS,
    async run(call) {
      const image = oneWord(call, 'image')
      return await withSession(call, async (session) => {
        const { id } = await findImage(session, image)
        await act(session.tank, id, { signal: session.signal })
      })
    }
  }
}

export const tag = perWord('IMAGE TAG...', 'which tag', (tank, id, word, options) =>
  tank.tags.add(id, word, options)
)

export const untag = perWord('IMAGE TAG...', 'which tag', (tank, id, word, options) =>
  tank.tags.remove(id, word, options)
)

export const unshare = perWord(
  'IMAGE PROJECT...',
  'with which project',
  (tank, id, word, options) => tank.members.remove(id, word, options)
)

export const deactivate = simple(
  'Nobody but administrators can download it until tank image reactivate.',
  (tank, id, options) => tank.deactivate(id, options)
)

export const reactivate = simple('It can be downloaded again.', (tank, id, options) =>
  tank.reactivate(id, options)
)
