import type { Format } from '../format.ts'
import type { FormatName } from '../report.ts'
import { hasMagic, type Steps, wholeSize } from '../steps.ts'

function named(name: FormatName, magic: string): Format {
  return { name, detect: () => hasMagic(0, magic) }
}

const DMG_FOOTER = 512

const dmg: Format = {
  name: 'dmg',
  *detect(): Steps<boolean> {
    const size = yield* wholeSize()
    return size >= DMG_FOOTER && (yield* hasMagic(size - DMG_FOOTER, 'koly'))
  },
  // biome-ignore lint/correctness/useYield: there is nothing more to read
  *examine(notes): Steps<void> {
    notes.facts.isTrailer = true
  }
}

/** Formats that are told by their name and nothing else. */
export const OTHERS: readonly Format[] = [
  named('android-sparse', '\x3a\xff\x26\xed'),
  named('vma', 'VMA\0'),
  named('wim', 'MSWIM\0\0\0'),
  dmg
]
