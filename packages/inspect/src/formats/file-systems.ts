import type { Format } from '../format.ts'
import { hasMagic, type Steps } from '../steps.ts'

const MAGICS: readonly (readonly [name: string, at: number, magic: string])[] = [
  ['xfs', 0, 'XFSB'],
  ['squashfs', 0, 'hsqs'],
  ['ntfs', 3, 'NTFS    '],
  ['exfat', 3, 'EXFAT   '],
  ['fat', 54, 'FAT'],
  ['fat', 82, 'FAT32'],
  ['lvm2', 512, 'LABELONE'],
  ['erofs', 1024, '\xe2\xe1\xf5\xe0'],
  ['ext', 1080, '\x53\xef'],
  ['swap', 4086, 'SWAPSPACE2'],
  ['btrfs', 65600, '_BHRfS_M']
]

function* find(): Steps<string | undefined> {
  for (const [name, at, magic] of MAGICS) if (yield* hasMagic(at, magic)) return name
  return undefined
}

/** Raw bytes that are a file system without a partition table around it. */
export const fileSystems: Format = {
  name: 'raw',
  *detect() {
    return (yield* find()) !== undefined
  },
  *examine(notes) {
    notes.facts.content = yield* find()
  }
}
