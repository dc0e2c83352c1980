import { isPowerOfTwo, littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, type Steps, wholeSize } from '../steps.ts'

const BACKING_FILE = 1
const NEEDS_CHECK = 2
const KNOWN_FEATURES = 7

function* examine(notes: Examination): Steps<void> {
  const fields = littleEndian(yield* need(0, 64))
  const clusterSize = fields.u32(4)
  const tableSize = fields.u32(8)
  const features = fields.u64(16)
  const table = fields.u64(40)
  notes.size(fields.u64(48), 48)
  if ((fields.u32(16) & BACKING_FILE) !== 0 || fields.u32(60) !== 0) notes.report('QED_BACKING', 16)
  if ((fields.u32(16) & NEEDS_CHECK) !== 0) notes.report('QED_DIRTY', 16)
  if (features > KNOWN_FEATURES) notes.report('QED_HEADER', 16)
  if (!isPowerOfTwo(clusterSize) || clusterSize < 4096 || clusterSize > 2 ** 26)
    notes.report('QED_HEADER', 4)
  if (!isPowerOfTwo(tableSize) || tableSize > 16) notes.report('QED_HEADER', 8)
  if (fields.u32(12) === 0) notes.report('QED_HEADER', 12)
  if (table % clusterSize !== 0 || table < clusterSize) notes.report('QED_HEADER', 40)
  // each of two levels has as many entries of 8 bytes as fit
  const entries = (tableSize * clusterSize) / 8
  if (fields.u64(48) > entries * entries * clusterSize) notes.report('QED_HEADER', 48)
  if (table + tableSize * clusterSize > (yield* wholeSize())) notes.report('OFFSET_BEYOND_EOF', 40)
}

/** QEMU's enhanced disk format, which was given up (docs/interop/qed_spec.rst). */
export const qed: Format = { name: 'qed', detect: () => hasMagic(0, 'QED\0'), examine }
