import { addColumns, createIndex, createMigration } from './steps.ts'

/** Deleted images may wait, with all they have, before they are deleted for good. */
export const pendingDelete = createMigration([
  addColumns('images', ['restore_to text']),
  createIndex('images_pending_delete', `images (deleted_at, id) WHERE status = 'pending_delete'`)
])
