import assert from 'node:assert/strict'
import { guard } from '../guard.ts'
import { isWritable } from '../store.ts'
import { Bench, type Case, type Traits } from './bench.ts'
import { abortCases } from './cases/abort.ts'
import { exclusiveCases } from './cases/exclusive.ts'
import { keyCases } from './cases/keys.ts'
import { leftoverCases } from './cases/leftovers.ts'
import { lifecycleCases } from './cases/lifecycle.ts'
import { pumpCases } from './cases/pump.ts'
import { rangeCases } from './cases/ranges.ts'
import { readOnlyCases } from './cases/read-only.ts'
import { roundTripCases } from './cases/round-trip.ts'
import { sizeCases } from './cases/sizes.ts'
import type { ConformanceOptions } from './options.ts'

const cases: readonly Case[] = [
  ...roundTripCases,
  ...rangeCases,
  ...pumpCases,
  ...exclusiveCases,
  ...sizeCases,
  ...abortCases,
  ...keyCases,
  ...leftoverCases,
  ...lifecycleCases,
  ...readOnlyCases
]

/**
 * Checks a store against the whole contract. What the store cannot do, and what the caller gave no
 * means to check, is skipped with the reason in the skipped test.
 */
export async function storeConformance(options: ConformanceOptions): Promise<void> {
  const traits = await readTraits(options)
  for (const each of cases) {
    const skip = each.skip?.(traits)
    const name = `store conformance: ${each.name}`
    await options.test(name, skip === undefined ? {} : { skip }, () => new Bench(traits).run(each))
  }
}

async function readTraits(options: ConformanceOptions): Promise<Traits> {
  const store = guard('conformance', await options.open())
  const writable = isWritable(store)
  const { features } = store
  await store.close?.()
  assert(
    writable || options.seed !== undefined,
    'a store without put and delete needs `seed`, or there is nothing to read'
  )
  return { writable, features, options }
}
