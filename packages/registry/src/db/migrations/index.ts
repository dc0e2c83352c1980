import type { Migration } from 'kysely'
import { initial } from './0001-initial.ts'

/** Every migration by its name; names are applied in their order and never change. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-initial': initial
}
