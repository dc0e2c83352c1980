// The store that the conformance kit opens in a process which it then kills.
import type { Store } from '@tank/store'
import { openChaseStore } from '../src/index.ts'

export function open(): Promise<Store> {
  return openChaseStore(JSON.parse(process.env.TANK_TEST_STORE ?? ''))
}
