import type { Traits } from '../bench.ts'
import type { Faults } from '../options.ts'

// Reasons that begin with "n/a" lie in what the store is; the others in what the kit was given.

export function readOnly({ writable }: Traits): string | undefined {
  return writable ? undefined : 'n/a: the store cannot be written to'
}

export function noRanges({ features }: Traits): string | undefined {
  return features.ranges ? undefined : 'n/a: the store sends whole images only'
}

export function noFault({ options }: Traits, name: keyof Faults): string | undefined {
  const fault = options.faults?.[name]
  if (typeof fault === 'string') return `n/a: ${fault}`
  return fault ? undefined : `the kit was not given a way to make this fault (faults.${name})`
}
