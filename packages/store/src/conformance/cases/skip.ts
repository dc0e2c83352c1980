import type { Traits } from '../bench.ts'

export function readOnly({ writable }: Traits): string | undefined {
  return writable ? undefined : 'the store cannot be written to'
}

export function noRanges({ features }: Traits): string | undefined {
  return features.ranges ? undefined : 'the store sends whole images only'
}
