export type {
  ContainerFormat,
  DiskFormat,
  ImageDocument,
  ImageStatus,
  MemberDocument,
  MemberStatus,
  TokenDocument,
  Visibility
} from '@tank/model'
export { customProperties } from '@tank/model'
export type { Auth, TokenSource } from './auth.ts'
export type { DownloadOptions, DownloadResult } from './download/request.ts'
export {
  type ClientOwnErrorCode,
  isTankClientError,
  TankClientError,
  type TankClientErrorCode,
  type TankClientErrorOptions
} from './errors.ts'
export type { ImageChanges, NewImage, PatchOperation } from './image-fields.ts'
export type { ListFilter, ListOptions, ListValue } from './image-list.ts'
export type { Members, Tags } from './image-parts.ts'
export {
  createRegistryClient,
  type RawDocument,
  type RawPage,
  type RegistryClient,
  type RegistryClientOptions
} from './registry-client.ts'
export type { RegistryCallOptions } from './registry-exchange.ts'
export {
  type ApiVersion,
  type CallOptions,
  createTankClient,
  type TankClient,
  type TankClientOptions
} from './tank-client.ts'
export type { TransferProgress, UploadOptions, UploadSource } from './upload.ts'
