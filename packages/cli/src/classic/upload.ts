import { createReadStream } from 'node:fs'
import { type Command, type CommandCall, text, UsageError } from '../command-line.ts'
import { openSource } from '../image/source.ts'
import { addition } from './add.ts'
import { sendingBytes } from './bytes.ts'
import { CLASSIC_FLAGS, SILENT_FLAG } from './flags.ts'
import { metadata } from './layout.ts'
import { withClassic, wordsOf } from './session.ts'

const FORMATS: Readonly<Record<string, readonly [disk: string, container: string]>> = {
  kernel: ['aki', 'aki'],
  ramdisk: ['ari', 'ari'],
  machine: ['ami', 'ami'],
  raw: ['raw', 'bare'],
  vhd: ['vhd', 'ovf']
}

function typeOf(call: CommandCall) {
  const type = text(call, 'type') ?? 'raw'
  const formats = Object.hasOwn(FORMATS, type) ? FORMATS[type] : undefined
  if (formats === undefined) {
    throw new UsageError(`--type is one of ${Object.keys(FORMATS).join(', ')}, not "${type}".`)
  }
  return { type, formats }
}

export const upload: Command = {
  words: 'FILE NAME',
  details:
    'Makes a public image of a file, which is for administrators unless the service lets others publish.\n' +
    'tank push guesses the format and asks for less; tank image upload sends the bytes of an image that\n' +
    'is there already.',
  examples: ['tank upload --type kernel vmlinuz a-kernel'],
  flags: {
    ...CLASSIC_FLAGS,
    type: {
      type: 'string',
      value: 'TYPE',
      choices: Object.keys(FORMATS),
      help: 'kernel, ramdisk, machine, raw or vhd (raw)'
    },
    'disk-format': { type: 'string', value: 'FORMAT', help: 'format of the disk (by the type)' },
    'container-format': {
      type: 'string',
      value: 'FORMAT',
      help: 'what is around it (by the type)'
    },
    kernel: { type: 'string', value: 'ID', help: 'the kernel that it starts with' },
    ramdisk: { type: 'string', value: 'ID', help: 'the RAM disk that it starts with' },
    ...SILENT_FLAG
  },
  async run(call) {
    const { type, formats } = typeOf(call)
    const [path = '', name = ''] = wordsOf(call, 'FILE', 'NAME')
    const fields = {
      name,
      is_public: true,
      disk_format: text(call, 'disk-format') ?? formats[0],
      container_format: text(call, 'container-format') ?? formats[1],
      properties: { type, kernel_id: text(call, 'kernel'), ramdisk_id: text(call, 'ramdisk') }
    }
    return await withClassic(call, undefined, async ({ client, signal, url }) => {
      const { from, size } = await openSource(path, call, signal)
      const stream = typeof from === 'string' ? createReadStream(from) : from
      const image = await addition(() =>
        sendingBytes(call, `${name} to ${url}`, { from: stream, size }, (bytes) =>
          client.addImage({ ...fields, size }, bytes, {}, { signal })
        )
      )
      call.print(`Added new image with ID: ${image.id}\n${metadata({ ...image })}`)
    })
  }
}
