import type { LegacyFields, LegacyImage } from '@tank/client'
import { isTankClientError } from '@tank/client/tank-client'
import type { Command, CommandCall } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { givenBytes, sendingBytes } from './bytes.ts'
import { CLASSIC_FLAGS, DRY_RUN_FLAG, SILENT_FLAG } from './flags.ts'
import { metadata } from './layout.ts'
import { fieldsOf, type Pairs, pairsOf, without } from './pairs.ts'
import { ClassicFailure, type ClassicSession, withClassic } from './session.ts'

const FIELDS = [
  'id',
  'name',
  'is_public',
  'protected',
  'min_disk',
  'min_ram',
  'disk_format',
  'container_format',
  'location',
  'copy_from',
  'owner',
  'checksum'
]
const NOT_SETTABLE = ['status', 'size']
const FORMATS = ['disk_format', 'container_format'] as const

/** Splits off where the bytes are to be copied from, which is no field of an image. */
export function whereFrom({ copy_from: from, ...fields }: LegacyFields & { copy_from?: string }) {
  return { fields, features: from === undefined ? {} : { 'x-tank-api-copy-from': from } }
}

function checkFormats(pairs: Pairs): void {
  const missing = FORMATS.filter((name) => !pairs.get(name))
  if (missing.length > 0) {
    throw new ClassicFailure(
      `An image with data needs ${missing.join(' and ')}, such as raw and bare.`
    )
  }
}

function checked(call: CommandCall): Pairs {
  const pairs = without(pairsOf(call.words), NOT_SETTABLE, 'non-settable', call)
  if (pairs.has('checksum') && !pairs.has('location')) {
    throw new ClassicFailure(
      'checksum is for an image with a location; data is digested as it comes.'
    )
  }
  return pairs
}

async function made(session: ClassicSession, pairs: Pairs): Promise<LegacyImage> {
  const { call, client, signal, url } = session
  const { fields, features } = whereFrom(fieldsOf(pairs, FIELDS))
  const isElsewhere = pairs.has('location') || pairs.has('copy_from')
  const source = isElsewhere ? undefined : await givenBytes(session)
  if (isElsewhere || source !== undefined) checkFormats(pairs)
  if (source === undefined || typeof source.from === 'string') {
    return await client.addImage(fields, null, features, { signal })
  }
  const { from, size } = source
  const title = `${pairs.get('name') ?? 'image'} to ${url}`
  return await sendingBytes(call, title, { from, size }, (bytes) =>
    client.addImage(fields, bytes, features, { signal })
  )
}

/** Tells the failure of an addition in the words that scripts look for. */
export async function addition<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof ClassicFailure) && !isTankClientError(error)) throw error
    if (isTankClientError(error) && (error.status === undefined || error.status === 401))
      throw error
    throw new ClassicFailure(`Failed to add image.\n${printable(error.message)}`, { cause: error })
  }
}

export const add: Command = {
  words: 'FIELD=VALUE...',
  details:
    'Makes an image, with the bytes that standard input has. Fields are id, name, is_public, protected,\n' +
    'min_disk, min_ram, disk_format, container_format, owner, location (the bytes stay there),\n' +
    'copy_from (they are fetched) and checksum (of those at a location); others become properties.',
  examples: ['tank add name=debian disk_format=qcow2 container_format=bare < debian.qcow2'],
  flags: { ...CLASSIC_FLAGS, ...DRY_RUN_FLAG, ...SILENT_FLAG },
  async run(call) {
    return await withClassic(call, undefined, async (session) => {
      const pairs = checked(call)
      if (call.values['dry-run'] === true) {
        call.print(`This image would be added:\n${metadata(Object.fromEntries(pairs))}`)
        return
      }
      const image = await addition(() => made(session, pairs))
      call.print(`Added new image with ID: ${image.id}\n`)
      if (session.isVerbose) call.print(metadata({ ...image }))
    })
  }
}
