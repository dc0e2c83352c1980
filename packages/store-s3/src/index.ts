import { defineStorePlugin, type StorePluginOptions } from '@tank/store'
import type { FastifyPluginAsync } from 'fastify'
import { openS3Store, type S3Store } from './open-s3-store.ts'
import { type S3StoreOptions, s3StoreOptions } from './options.ts'

const storeS3: FastifyPluginAsync<S3StoreOptions & StorePluginOptions> = defineStorePlugin({
  name: 's3',
  options: s3StoreOptions,
  open: openS3Store
})

export default storeS3
export { openS3Store, type S3Store, type S3StoreOptions, s3StoreOptions }
