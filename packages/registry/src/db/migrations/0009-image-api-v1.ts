import { addColumns, createIndex, createMigration } from './steps.ts'

/** What default lists leave out; a list of changes has it, and who only lists pays nothing for it. */
const GONE = `deleted_at IS NOT NULL OR status = 'killed'`

/** Sort keys as pages compare them, in the forms that the indexes of live images have. */
const KEYS: Readonly<Record<string, string>> = {
  created: '',
  updated: 'updated_at, ',
  name: `(coalesce(name, '')), `,
  status: 'status, ',
  size: '(coalesce(size, 0)), '
}

/** The Image API v1: members that may share, lists of what changed. */
export const imageApiV1 = createMigration([
  addColumns('members', ['can_share boolean NOT NULL DEFAULT false']),
  ...['owner', 'visibility'].flatMap((lead) =>
    Object.entries(KEYS).map(([name, key]) =>
      createIndex(
        `images_${lead}_gone_${name}`,
        `images (${lead}, ${key}created_at, id) WHERE ${GONE}`
      )
    )
  )
])
