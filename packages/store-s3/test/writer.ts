// The store that the conformance kit opens in a process which it then kills.
import type { Store } from '@tank/store'
import { openS3Store } from '../src/index.ts'

export function open(): Promise<Store> {
  return openS3Store(JSON.parse(process.env.TANK_TEST_STORE ?? ''))
}
