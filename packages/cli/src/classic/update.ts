import type { Command } from '../command-line.ts'
import { UsageError } from '../command-line.ts'
import { whereFrom } from './add.ts'
import { CLASSIC_FLAGS, DRY_RUN_FLAG } from './flags.ts'
import { metadata } from './layout.ts'
import { fieldsOf, pairsOf, without } from './pairs.ts'
import { withClassic } from './session.ts'

const FIELDS = [
  'name',
  'disk_format',
  'container_format',
  'min_disk',
  'min_ram',
  'location',
  'copy_from',
  'owner',
  'is_public',
  'protected'
]
const NOT_MODIFIABLE = ['created_on', 'deleted_on', 'deleted', 'updated_on', 'size', 'status']

export const update: Command = {
  words: 'ID FIELD=VALUE...',
  details:
    'Changes fields: name, disk_format, container_format, min_disk, min_ram, owner, is_public, protected,\n' +
    'and location or copy_from of an image that waits for its bytes. All others are the properties that\n' +
    'the image has from then on: those that are not named are removed (tank image set keeps them).',
  examples: ['tank update 71c675ab-d94f-49cd-a114-e12490b328d9 is_public=True'],
  flags: { ...CLASSIC_FLAGS, ...DRY_RUN_FLAG },
  async run(call) {
    const [id, ...words] = call.words
    if (id === undefined) throw new UsageError('Say ID.')
    return await withClassic(call, id, async ({ client, signal, isVerbose }) => {
      const pairs = without(pairsOf(words), NOT_MODIFIABLE, 'non-modifiable', call)
      const { fields, features } = whereFrom(fieldsOf(pairs, FIELDS))
      if (call.values['dry-run'] === true) {
        call.print(`Image ${id} would be updated:\n${metadata(Object.fromEntries(pairs))}`)
        return
      }
      const image = await client.updateImage(id, fields, null, features, { signal })
      call.print(`Updated image ${id}\n`)
      if (isVerbose) call.print(metadata({ ...image }))
    })
  }
}
