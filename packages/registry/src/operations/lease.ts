import { type Lease, TankError } from '@tank/model'
import type { Settings } from '../config.ts'

export function operationGone(): TankError {
  return new TankError('OPERATION_GONE', 'The operation has ended, or another worker has it.')
}

export function leaseOf({ leaseMs, heartbeatMs }: Settings): Lease {
  return { lease_ms: leaseMs, heartbeat_ms: heartbeatMs }
}
