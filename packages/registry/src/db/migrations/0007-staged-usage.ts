import { createIndex, createMigration } from './steps.ts'

/** What a project has staged is counted when somebody asks for it. */
export const stagedUsage = createMigration([
  createIndex(
    'placements_staged',
    `placements (project) WHERE role = 'staged' AND state = 'stored'`
  ),
  createIndex('operations_project', `operations (project) WHERE state IN ('pending', 'running')`)
])
