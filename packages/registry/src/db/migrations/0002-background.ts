import { addColumns, createIndex, createMigration } from './steps.ts'

/** Work that waits for a worker: what it needs to know, how often it was tried, where it writes. */
export const background = createMigration([
  addColumns('operations', [
    'background boolean NOT NULL DEFAULT false',
    'tries integer NOT NULL DEFAULT 0',
    `stores text[] NOT NULL DEFAULT '{}'`,
    `targets jsonb NOT NULL DEFAULT '[]'`,
    'must_succeed boolean NOT NULL DEFAULT true',
    'input jsonb',
    'not_before timestamptz NOT NULL DEFAULT now()',
    'progress_at timestamptz NOT NULL DEFAULT now()',
    'ended_at timestamptz'
  ]),
  addColumns('placements', ['operation_id uuid', 'weight integer NOT NULL DEFAULT 0']),
  createIndex('operations_pending', `operations (not_before, created_at) WHERE state = 'pending'`),
  createIndex('operations_attempt', `operations (attempt) WHERE background AND state = 'running'`, {
    unique: true
  }),
  createIndex('placements_operation', 'placements (operation_id) WHERE operation_id IS NOT NULL')
])
