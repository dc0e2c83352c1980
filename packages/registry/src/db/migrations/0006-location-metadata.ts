import { addColumns, createMigration } from './steps.ts'

/** What people say about locations that they add. */
export const locationMetadata = createMigration([
  addColumns('placements', [`metadata jsonb NOT NULL DEFAULT '{}'`])
])
