import { defineStorePlugin, type StorePluginOptions } from '@tank/store'
import type { FastifyPluginAsync } from 'fastify'
import { openFsStore } from './open-fs-store.ts'
import { type FsStoreOptions, fsStoreOptions } from './options.ts'

const storeFs: FastifyPluginAsync<FsStoreOptions & StorePluginOptions> = defineStorePlugin({
  name: 'fs',
  options: fsStoreOptions,
  open: openFsStore
})

export default storeFs
export { type FsStoreOptions, fsStoreOptions, openFsStore }
