export {
  defineStorePlugin,
  type StoreContext,
  type StoreDefinition,
  type StorePluginOptions
} from './define-store-plugin.ts'
export { isStoreError, StoreError, type StoreErrorCode } from './errors.ts'
export { type GuardLog, guard } from './guard.ts'
export { assertKey, isKey, newKey } from './key.ts'
export { StoreOptionsError } from './plugin-options.ts'
export {
  type ByteRange,
  type CallOptions,
  type GetOptions,
  type ImageSource,
  type ImageStat,
  isWritable,
  type PresignOptions,
  type PutOptions,
  type Store,
  type StoredEntry,
  type StoredImage,
  type StoreFeatures,
  type WritableStore
} from './store.ts'
export {
  type StoreEntry,
  type StoreInfo,
  type Stores,
  type StoresOptions,
  storesPlugin
} from './stores.ts'
