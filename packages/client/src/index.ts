export {
  createRegistryClient,
  type RawDocument,
  type RawPage,
  type RegistryCallOptions,
  type RegistryClient,
  type RegistryClientOptions
} from './registry-client.ts'
