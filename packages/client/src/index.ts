export type {
  ContainerFormat,
  DiskFormat,
  ImageDocument,
  ImageStatus,
  MemberDocument,
  MemberStatus,
  StoredPlacement,
  TokenDocument,
  Visibility,
  WrittenDiskFormat
} from '@tank/model'
export { customProperties } from '@tank/model'
export type { Auth, CatalogAuth, EndpointChoice, TokenSource } from './auth/auth.ts'
export { type ClientCredentialsOptions, clientCredentialsAuth } from './auth/client-credentials.ts'
export { authFromEnvironment, type Environment, type EnvironmentAuth } from './auth/environment.ts'
export type { IdentityOptions } from './auth/identity-call.ts'
export {
  type ApplicationCredentialOptions,
  applicationCredentialAuth,
  type KeystoneOptions,
  type PasswordOptions,
  passwordAuth
} from './auth/keystone.ts'
export type { Cache, CacheContent, CachedImage } from './cache.ts'
export type {
  DownloadOptions,
  DownloadResult,
  DownloadTarget,
  ReadOptions
} from './download/request.ts'
export {
  type ClientOwnErrorCode,
  isTankClientError,
  TankClientError,
  type TankClientErrorCode,
  type TankClientErrorOptions
} from './errors.ts'
export type { ImageChanges, NewImage, PatchOperation } from './image-fields.ts'
export type { CallOptions } from './image-http.ts'
export type { ListFilter } from './image-list.ts'
export type { Members, Tags } from './image-parts.ts'
export type {
  ImportJob,
  ImportProgress,
  ImportRequest,
  Imports,
  ImportTargets,
  WaitOptions
} from './imports.ts'
export { type ClassicName, classicName } from './legacy/classic-name.ts'
export type { LegacyCredentials } from './legacy/credentials.ts'
export { getLegacyClient } from './legacy/get-legacy-client.ts'
export { LegacyClient } from './legacy/legacy-client.ts'
export type { LegacyBrief, LegacyFields, LegacyImage } from './legacy/meta.ts'
export type { LegacyClientOptions } from './legacy/options.ts'
export type {
  LegacyCachedImage,
  LegacyData,
  LegacyFeatures,
  LegacyList,
  LegacyMember,
  LegacySharedImage
} from './legacy/types.ts'
export type { ImageLocation, Locations, NewLocation } from './locations.ts'
export { type OpenTankClientOptions, openTankClient } from './open-tank-client.ts'
export type { ListOptions, ListValue } from './pages.ts'
export {
  createRegistryClient,
  type RegistryClient,
  type RegistryClientOptions
} from './registry-client.ts'
export type { RawDocument, RegistryCallOptions } from './registry-exchange.ts'
export type { RawPage } from './registry-images.ts'
export type { Info, QuotaUsage, StoreInfo, Stores } from './service-info.ts'
export {
  type ApiVersion,
  createTankClient,
  TankClient,
  type TankClientOptions
} from './tank-client.ts'
export type { ImageTask, TaskFilter, Tasks } from './tasks.ts'
export type { TransferProgress } from './upload/send-body.ts'
export type { UploadSource } from './upload/source.ts'
export type { StageOptions, UploadOptions } from './upload/upload.ts'
