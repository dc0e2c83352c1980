import { defineStorePlugin, type StorePluginOptions } from '@tank/store'
import type { FastifyPluginAsync } from 'fastify'
import { openChaseStore } from './open-chase-store.ts'
import { type ChaseStoreOptions, chaseStoreOptions } from './options.ts'

const storeChase: FastifyPluginAsync<ChaseStoreOptions & StorePluginOptions> = defineStorePlugin({
  name: 'chase',
  options: chaseStoreOptions,
  open: openChaseStore
})

export default storeChase
export { type ChaseStoreOptions, chaseStoreOptions, openChaseStore }
