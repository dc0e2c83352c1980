import type { LegacyFields } from '@tank/client'
import type { CommandCall } from '../command-line.ts'
import { printable } from '../output/printable.ts'
import { ClassicFailure } from './session.ts'

/** Fields of an image by their names, as they were typed. */
export type Pairs = ReadonlyMap<string, string>

/** Reads `field=value` words: the first `=` separates, a comma at the end is cut. */
export function pairsOf(words: readonly string[]): Pairs {
  return new Map(
    words.map((word) => {
      const mark = word.indexOf('=')
      if (mark < 1) {
        throw new ClassicFailure(`Fields are given as field=value, not "${printable(word)}".`)
      }
      return [word.slice(0, mark), word.slice(mark + 1).replace(/,$/, '')] as const
    })
  )
}

/** Drops what nobody can set, and says so. */
export function without(
  pairs: Pairs,
  refused: readonly string[],
  what: string,
  { print }: CommandCall
): Pairs {
  const kept = new Map(pairs)
  for (const name of refused) {
    if (kept.delete(name)) print(`Found ${what} field ${name}. Removing.\n`)
  }
  return kept
}

const TRUE = /^(true|t|1|yes|y|on)$/i
const BOOLEANS = new Set(['is_public', 'protected'])
const NUMBERS = new Set(['min_disk', 'min_ram'])

function typed(name: string, value: string): unknown {
  if (BOOLEANS.has(name)) return TRUE.test(value.trim())
  if (!NUMBERS.has(name)) return value
  if (!/^\d{1,10}$/.test(value)) {
    throw new ClassicFailure(`${name} is a number, not "${printable(value)}".`)
  }
  return Number(value)
}

/** The fields of these names; all others are properties. */
export function fieldsOf(pairs: Pairs, names: readonly string[]): LegacyFields {
  const fields = [...pairs].filter(([name]) => names.includes(name))
  const properties = [...pairs].filter(([name]) => !names.includes(name))
  return {
    ...Object.fromEntries(fields.map(([name, value]) => [name, typed(name, value)])),
    properties: Object.fromEntries(properties)
  }
}
