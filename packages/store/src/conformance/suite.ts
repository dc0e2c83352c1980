import assert from 'node:assert/strict'
import { guard } from '../guard.ts'
import { isWritable } from '../store.ts'
import { Bench, type Case, type Traits } from './bench.ts'
import { abortCases } from './cases/abort.ts'
import { copyCases } from './cases/copy.ts'
import { exclusiveCases } from './cases/exclusive.ts'
import { faultCases } from './cases/faults.ts'
import { keyCases } from './cases/keys.ts'
import { leftoverCases } from './cases/leftovers.ts'
import { lifecycleCases } from './cases/lifecycle.ts'
import { listCases } from './cases/list.ts'
import { memoryCases } from './cases/memory.ts'
import { presignCases } from './cases/presign.ts'
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
  ...listCases,
  ...copyCases,
  ...presignCases,
  ...memoryCases,
  ...faultCases,
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
  const methods = new Set(
    Object.entries(store).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
  )
  return { writable, features, methods, options }
}
