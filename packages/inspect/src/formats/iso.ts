import { latin1, littleEndian } from '../fields.ts'
import type { Examination, Format } from '../format.ts'
import { hasMagic, need, read, type Steps, wholeSize } from '../steps.ts'

const START = 32768
const SECTOR = 2048
const UDF_SECTORS = 16
const MOST_DESCRIPTORS = 64
const BOOT = 0
const PRIMARY = 1
const END = 255

function* isUdf(): Steps<boolean> {
  let hasBegun = false
  for (let sector = 0; sector < UDF_SECTORS; sector++) {
    const id = latin1(yield* read(START + sector * SECTOR + 1, 5))
    if (id === 'BEA01') hasBegun = true
    else if (hasBegun && (id === 'NSR02' || id === 'NSR03')) return true
    else if (!hasBegun && !['CD001', 'CDW02'].includes(id)) return false
  }
  return false
}

function* detect(): Steps<boolean> {
  return (yield* hasMagic(START + 1, 'CD001')) || (yield* isUdf())
}

function* examine(notes: Examination): Steps<void> {
  if (!(yield* hasMagic(START + 1, 'CD001'))) {
    notes.facts.subformat = 'udf'
    notes.size(yield* wholeSize(), 0)
    return
  }
  let volume: number | undefined
  notes.facts.subformat = 'iso9660'
  for (let index = 0; index < MOST_DESCRIPTORS; index++) {
    const at = START + index * SECTOR
    const descriptor = yield* need(at, SECTOR)
    const type = descriptor[0]
    if (latin1(descriptor.subarray(1, 6)) !== 'CD001') {
      notes.report('ISO_HEADER', at)
      break
    }
    if (type === BOOT && latin1(descriptor.subarray(7, 30)) === 'EL TORITO SPECIFICATION')
      notes.facts.subformat = 'iso9660, bootable'
    if (type === PRIMARY && volume === undefined) {
      const fields = littleEndian(descriptor)
      volume = fields.u32(80) * fields.u16(128)
      notes.size(volume, at + 80)
      if (volume === 0) notes.report('ISO_HEADER', at + 80)
    }
    if (type === END) break
    if (index === MOST_DESCRIPTORS - 1) notes.report('ISO_HEADER', at)
  }
  const size = yield* wholeSize()
  if (volume === undefined) notes.report('ISO_HEADER', START)
  else if (volume > size) notes.report('TRUNCATED', size)
  else if (volume < size) notes.report('TRAILING_DATA', volume)
}

/** Optical discs: ISO 9660 (ECMA-119) and UDF (ECMA-167). */
export const iso: Format = { name: 'iso', detect, examine }
