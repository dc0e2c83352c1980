import { createIndex, createMigration } from './steps.ts'

/** Images that never got data can be found by how long nobody has touched them. */
export const unfinished = createMigration([
  createIndex('images_unfinished', `images (updated_at, id) WHERE status IN ('queued', 'killed')`)
])
