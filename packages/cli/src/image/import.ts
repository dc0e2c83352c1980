import type { ImportJob, ImportTargets } from '@tank/client'
import {
  type Command,
  type CommandCall,
  type Flag,
  text,
  texts,
  UsageError
} from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { createProgress } from '../output/progress.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { findImage } from '../remote/find-image.ts'
import { type Session, withSession } from '../remote/session.ts'
import { oneWord } from './fields.ts'
import { openSource } from './source.ts'
import { showingProgress } from './transfer.ts'

const WAIT_FLAGS = {
  'all-stores': { type: 'boolean', help: 'every store that takes images' },
  'allow-failure': { type: 'boolean', help: 'one store that has it is enough' },
  wait: { type: 'boolean', short: 'w', help: 'come back when it is over' }
} as const satisfies Record<string, Flag>

/** The stores that are meant. */
function targetsOf(call: CommandCall, stores: readonly string[]): ImportTargets {
  const all = call.values['all-stores'] === true
  if (all && stores.length > 0) throw new UsageError('Say which stores, or --all-stores, not both.')
  return {
    ...(stores.length > 0 ? { stores } : {}),
    ...(all ? { allStores: true } : {}),
    ...(call.values['allow-failure'] === true ? { allStoresMustSucceed: false } : {})
  }
}

/** Waits for work of the service if that was asked for, else says how to look at it. */
async function follow(session: Session, job: ImportJob, name: string): Promise<void> {
  const { call, signal } = session
  if (call.values.wait !== true) {
    session.note(`it is on its way; tank image tasks ${job.imageId} shows how far\n`)
    return
  }
  const progress = createProgress({
    stream: call.streams.stderr,
    title: name,
    quiet: call.values.quiet === true
  })
  try {
    const onProgress = ({ bytes }: { readonly bytes: number | undefined }) => {
      if (bytes !== undefined) progress.update({ bytes, total: undefined })
    }
    const image = await job.wait({ signal, onProgress })
    progress.clear()
    session.note(
      `${printable(name)} is ${image.status}, in ${printable(image.stores ?? 'no store')}\n`
    )
  } catch (error) {
    progress.clear()
    throw error
  }
}

export const importCommand: Command = {
  words: 'IMAGE',
  details:
    'The service fetches the bytes from a web server (--uri), or takes a file that is sent to it first\n' +
    '(--file). It works on while nobody waits, and when it fails the image waits for its bytes again.',
  examples: ['tank image import debian --uri https://mirror.example.org/debian.qcow2 --wait'],
  flags: {
    uri: { type: 'string', value: 'URL', help: 'where the bytes are' },
    file: { type: 'string', value: 'FILE|-', help: 'a file of this machine' },
    store: {
      type: 'string',
      value: 'STORE',
      multiple: true,
      help: 'where they are to lie; may be repeated'
    },
    ...WAIT_FLAGS,
    ...CONNECTION_FLAGS
  },
  async run(call) {
    const image = oneWord(call, 'image')
    const [uri, file] = [text(call, 'uri'), text(call, 'file')]
    if ((uri === undefined) === (file === undefined)) {
      throw new UsageError('Say where the bytes are: --uri URL or --file FILE.')
    }
    const targets = targetsOf(call, texts(call, 'store'))
    return await withSession(call, async (session) => {
      const { tank, signal, connection } = session
      const { id, name } = await findImage(session, image)
      const title = name ?? id
      if (file !== undefined) {
        const source = await openSource(file, call, signal)
        await showingProgress(session, `${title} to ${connection.url}`, (onProgress) =>
          tank.stage(id, source.from, { size: source.size, signal, onProgress })
        )
      }
      const method = uri === undefined ? { method: 'glance-direct' as const } : webDownload(uri)
      await follow(session, await tank.import(id, { ...method, ...targets }, { signal }), title)
    })
  }
}

const webDownload = (uri: string) => ({ method: 'web-download' as const, uri })

export const copy: Command = {
  words: 'IMAGE [STORE...]',
  details: 'Copies the bytes of an image to further stores of the service; tank stores lists them.',
  examples: ['tank image copy debian cold --wait'],
  flags: { ...WAIT_FLAGS, ...CONNECTION_FLAGS },
  async run(call) {
    const [image, ...stores] = call.words
    if (image === undefined) throw new UsageError('Say which image.')
    const targets = targetsOf(call, stores)
    if (stores.length === 0 && targets.allStores !== true) {
      throw new UsageError('Say to which store, or --all-stores.')
    }
    return await withSession(call, async (session) => {
      const { id, name } = await findImage(session, image)
      const request = { method: 'copy-image' as const, ...targets }
      const job = await session.tank.import(id, request, { signal: session.signal })
      await follow(session, job, name ?? id)
    })
  }
}
