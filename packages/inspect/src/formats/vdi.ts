import { isFilled, littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, type Steps, wholeSize } from '../steps.ts'

const MIB = 2 ** 20
const MOST_BLOCKS = 0x3fffffff

function* examine(notes: Examination): Steps<void> {
  const header = yield* need(0, 512)
  const fields = littleEndian(header)
  const type = fields.u32(0x4c)
  const [map, data, blocks, allocated] = [0x154, 0x158, 0x180, 0x184].map(fields.u32)
  const blockSize = fields.u32(0x178)
  notes.facts.subformat = type === 2 ? 'static' : 'dynamic'
  notes.size(fields.u64(0x170), 0x170)
  if (type === 3 || type === 4) notes.report('VDI_DIFFERENCING', 0x4c)
  else if (type !== 1 && type !== 2) notes.report('VDI_HEADER', 0x4c)
  if (!isFilled(header, 0x1a8, 0x1c8)) notes.report('VDI_DIFFERENCING', 0x1a8)
  if (fields.u32(0x44) !== 0x00010001) notes.report('VDI_HEADER', 0x44)
  if (fields.u32(0x168) !== 512) notes.report('VDI_HEADER', 0x168)
  if (blockSize !== MIB) notes.report('VDI_HEADER', 0x178)
  if (map === undefined || data === undefined || blocks === undefined || allocated === undefined)
    return
  if (blocks > MOST_BLOCKS || fields.u64(0x170) > blocks * blockSize)
    notes.report('VDI_HEADER', 0x180)
  if (allocated > blocks) notes.report('VDI_HEADER', 0x184)
  if (map % 512 !== 0 || map < 512) notes.report('VDI_HEADER', 0x154)
  if (data % 512 !== 0 || data < map + blocks * 4) notes.report('VDI_HEADER', 0x158)
  const size = yield* wholeSize()
  if (map + blocks * 4 > size) notes.report('OFFSET_BEYOND_EOF', 0x154)
  if (data + allocated * blockSize > size) notes.report('TRUNCATED', size)
}

/** VirtualBox's disk format. */
export const vdi: Format = {
  name: 'vdi',
  detect: () => hasMagic(0x40, '\x7f\x10\xda\xbe'),
  examine
}
