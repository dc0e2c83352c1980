export { buildRegistry, type RegistryParts } from './app.ts'
export { type Quotas, type RegistryConfig, registryConfigSchema } from './config.ts'
export { type MigrationState, migrate, migrationStatus } from './db/migrate.ts'
