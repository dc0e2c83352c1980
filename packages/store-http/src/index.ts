import { defineStorePlugin, type StorePluginOptions } from '@tank/store'
import type { FastifyPluginAsync } from 'fastify'
import { type HttpStore, openHttpStore } from './open-http-store.ts'
import { type HttpStoreOptions, httpStoreOptions } from './options.ts'

const storeHttp: FastifyPluginAsync<HttpStoreOptions & StorePluginOptions> = defineStorePlugin({
  name: 'http',
  options: httpStoreOptions,
  open: (options, { log }) => openHttpStore(options, { log })
})

export default storeHttp
export type { Answer } from './exchange.ts'
export {
  type Ask,
  type Outbound,
  type OutboundSettings,
  openOutbound,
  type Surroundings
} from './outbound.ts'
export type { Resolve } from './resolve.ts'
export { type HttpStore, type HttpStoreOptions, httpStoreOptions, openHttpStore }
