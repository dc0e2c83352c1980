import { addColumns, createMigration } from './steps.ts'

/** What the Image API v1 was told of data that is still to come. */
export const announced = createMigration([
  addColumns('images', ['announced_size bigint', 'announced_checksum text'])
])
