import { littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, type Steps, wholeSize } from '../steps.ts'

const OLD = 'WithoutFreeSpace'
const NEW = 'WithouFreSpacExt'
const OPEN = 0x746f6e59
const HEADER_SIZE = 64

function* detect(): Steps<boolean> {
  return (yield* hasMagic(0, OLD)) || (yield* hasMagic(0, NEW))
}

function* examine(notes: Examination): Steps<void> {
  const isOld = yield* hasMagic(0, OLD)
  const fields = littleEndian(yield* need(0, HEADER_SIZE))
  const clusterSectors = fields.u32(28)
  const entries = fields.u32(32)
  const sectors = isOld ? fields.u32(36) : fields.u64(36)
  const data = fields.u32(48) * 512
  notes.size(sectors * 512, 36)
  notes.facts.subformat = isOld ? 'v1' : 'v2'
  if (fields.u32(16) !== 2) notes.report('PARALLELS_HEADER', 16)
  if (clusterSectors === 0) notes.report('PARALLELS_HEADER', 28)
  if (entries * clusterSectors < sectors) notes.report('PARALLELS_HEADER', 32)
  if (fields.u32(44) === OPEN) notes.report('PARALLELS_IN_USE', 44)
  const size = yield* wholeSize()
  const tableEnd = HEADER_SIZE + entries * 4
  if (tableEnd > size) notes.report('TRUNCATED', size)
  if (data !== 0 && data < tableEnd && !isOld) notes.report('PARALLELS_HEADER', 48)
  if (data > size || fields.u64(56) * 512 > size) notes.report('OFFSET_BEYOND_EOF', 48)
}

/** Parallels' and OpenVZ's (ploop) disk format. */
export const parallels: Format = { name: 'parallels', detect, examine }
