import type { Command } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentChanged } from '../output/present.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { withSession } from '../remote/session.ts'
import { FIELD_FLAGS, fieldsOf, oneWord, properties } from './fields.ts'
import { idOf, TAG_FLAG, tagsOf } from './new-image.ts'

export const create: Command = {
  words: 'NAME',
  details: 'Makes a record that waits for its bytes: tank image upload or tank image import.',
  examples: ['tank image create debian --disk-format qcow2 --property os_distro=debian'],
  flags: { ...FIELD_FLAGS, ...TAG_FLAG, ...OUTPUT_FLAGS, ...CONNECTION_FLAGS },
  async run(call) {
    const presentation = presentationOf(call)
    const name = oneWord(call, 'name it is to have')
    const image = {
      container_format: 'bare',
      disk_format: 'raw',
      ...idOf(call),
      ...fieldsOf(call),
      name,
      tags: tagsOf(call),
      properties: properties(call)
    } as const
    return await withSession(call, async ({ tank, signal }) => {
      call.print(await presentChanged(await tank.create(image, { signal }), presentation, call))
    })
  }
}
