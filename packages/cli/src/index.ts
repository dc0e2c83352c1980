export { type DataDir, openDataDir } from './data-dir.ts'
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  openEmbeddedPostgres
} from './embedded-postgres/open.ts'
export { type MainOptions, main } from './main.ts'
export { storeLoader } from './stores.ts'
