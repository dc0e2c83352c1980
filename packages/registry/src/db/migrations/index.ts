import type { Migration } from 'kysely'
import { initial } from './0001-initial.ts'
import { background } from './0002-background.ts'
import { tokens } from './0003-tokens.ts'
import { staging } from './0004-staging.ts'
import { metadefs } from './0005-metadefs.ts'
import { locationMetadata } from './0006-location-metadata.ts'
import { stagedUsage } from './0007-staged-usage.ts'
import { pendingDelete } from './0008-pending-delete.ts'
import { imageApiV1 } from './0009-image-api-v1.ts'
import { unfinished } from './0010-unfinished.ts'
import { announced } from './0011-announced.ts'

/** Every migration by its name; names are applied in their order and never change. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-initial': initial,
  '0002-background': background,
  '0003-tokens': tokens,
  '0004-staging': staging,
  '0005-metadefs': metadefs,
  '0006-location-metadata': locationMetadata,
  '0007-staged-usage': stagedUsage,
  '0008-pending-delete': pendingDelete,
  '0009-image-api-v1': imageApiV1,
  '0010-unfinished': unfinished,
  '0011-announced': announced
}
