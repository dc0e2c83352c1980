import { createInspector, FINDING_CODES, type FindingCode, type Report } from '@tank/inspect'
import { isTankError } from '@tank/model'
import t from 'tap'
import { type Declared, refusalOf } from '../src/inspection/acceptance.ts'
import { checkInspection, createInspectionRules } from '../src/inspection/rules.ts'

const SECTION = { requireMatch: true, maxVirtualSize: 2 ** 40, nonFatal: [], fatal: [] }
const PROPERTIES = { isFree: () => true, limit: null }

/** What refuses an image and may be accepted nevertheless, where an operator says so. */
const MAY_PASS: readonly FindingCode[] = [
  'QCOW2_UNKNOWN_INCOMPAT',
  'QCOW2_EXTENDED_L2',
  'QCOW2_AES',
  'QCOW2_CRYPT_HEADER',
  'QCOW2_CORRUPT',
  'VDI_HEADER',
  'VHD_CHECKSUM',
  'VHDX_UNKNOWN_REQUIRED',
  'QED_HEADER',
  'PARALLELS_HEADER',
  'PARALLELS_IN_USE',
  'LUKS_HEADER',
  'LUKS_VERSION',
  'ISO_HEADER',
  'MBR_BOOT_FLAG',
  'MBR_PROTECTIVE',
  'MBR_EMPTY',
  'POLYGLOT',
  'OFFSET_BEYOND_EOF',
  'VIRTUAL_SIZE_CAP',
  'EXPANSION_CAP'
]

/** What only is logged anyway. */
const LOGGED: readonly FindingCode[] = [
  'QCOW2_DIRTY',
  'QCOW2_SNAPSHOTS',
  'VMDK_UNCLEAN',
  'VHD_GEOMETRY',
  'QED_DIRTY',
  'GPT_HEADER',
  'TRAILING_DATA'
]

function reportOf(bytes: Buffer, nonFatal: readonly string[] = []): Report {
  const { severities } = createInspectionRules({ ...SECTION, nonFatal: [...nonFatal] }, PROPERTIES)
  const inspector = createInspector({ severities })
  inspector.push(bytes)
  inspector.end()
  return inspector.report()
}

/** A qcow2 image of version 3 of one cluster, with a backing file. */
function backed(version = 3): Buffer {
  const image = Buffer.alloc(65536)
  image.write('QFI\xfb', 'latin1')
  image.writeUInt32BE(version, 4)
  image.writeBigUInt64BE(512n, 8)
  image.writeUInt32BE(16, 20)
  return image
}

t.test('F10 F17: what leads to other files, or hides it, is fatal whatever is said', async (t) => {
  const refused = (name: string) => {
    const pointers: string[] = []
    const section = { ...SECTION, nonFatal: [name] }
    checkInspection(section, (pointer) => pointers.push(pointer))
    const { severities } = createInspectionRules(section, PROPERTIES)
    t.equal(pointers.length > 0, severities[name as FindingCode] !== 'warn', `${name}: one of them`)
    return pointers.length > 0
  }
  const passing = FINDING_CODES.filter((code) => !refused(code))
  t.same(
    passing,
    FINDING_CODES.filter((code) => [...MAY_PASS, ...LOGGED].includes(code))
  )
})

t.test('F14: whether formats have to match is said by requireMatch alone', async (t) => {
  for (const list of ['nonFatal', 'fatal']) {
    const reports: string[] = []
    const section = { ...SECTION, [list]: ['mbr', 'FORMAT_MISMATCH'] }
    checkInspection(section, (pointer, message) => reports.push(`${pointer} ${message}`))
    t.equal(reports.length, 1)
    t.match(reports[0], new RegExp(`^/inspection/${list}/1 .*use that`))
  }
})

t.test('F17: no finding makes the inspector stop before a backing file unseen', async (t) => {
  const { findings, verdict } = reportOf(backed(5), ['QCOW2_VERSION', 'TRUNCATED'])
  t.same(
    findings.map(({ code }) => code),
    ['QCOW2_VERSION'],
    'it looks no further'
  )
  t.equal(verdict, 'unsafe')
})

t.test('F7 F8: a disk in place of an appliance is as safe as a bare one', async (t) => {
  const rules = createInspectionRules(SECTION, PROPERTIES)
  const luks = Buffer.alloc(100_000)
  luks.write('LUKS\xba\xbe', 'latin1')
  luks.writeUInt16BE(2, 6)
  for (const disk_format of ['auto', 'qcow2', 'vmdk']) {
    const declared: Declared = { disk_format, container_format: 'ova' }
    const why = (bytes: Buffer, isOver = true) => {
      const refusal = refusalOf(declared, reportOf(bytes), rules, { isOver })
      if (refusal !== undefined) t.ok(isTankError(refusal, 'IMAGE_REFUSED'))
      return refusal?.message ?? ''
    }
    t.match(why(backed()), /QCOW2_BACKING_FILE/)
    t.match(why(backed(), false), /QCOW2_BACKING_FILE/, 'at once')
    t.match(why(Buffer.from('QED\0'.padEnd(65536, '\0'))), /QED/)
    t.match(why(luks), /LUKS/)
    t.equal(why(Buffer.alloc(5000, 'x')), '', 'other bytes are none of ours')
  }
})
