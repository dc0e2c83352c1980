import { addColumns, createIndex, createMigration } from './steps.ts'

/** Staged data does not wait for its import for ever. */
export const staging = createMigration([
  addColumns('placements', ['expires_at timestamptz']),
  createIndex('placements_expires', 'placements (expires_at) WHERE expires_at IS NOT NULL')
])
