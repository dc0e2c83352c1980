export { type ApiParts, buildApi, type StorePlugin } from './app.ts'
export { type ApiConfig, apiConfigSchema } from './config.ts'
export type { Caller } from './identity/caller.ts'
export { ACTIONS, type Action } from './policy/actions.ts'
