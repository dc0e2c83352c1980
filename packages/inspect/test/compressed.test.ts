import { randomBytes } from 'node:crypto'
import { deflateRawSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { ova } from './samples/archives.ts'
import { qcow2 } from './samples/disks.ts'
import { codesOf, inspect } from './samples/inspect.ts'
import { rejects, warns } from './samples/judge.ts'
import { Layout } from './samples/layout.ts'
import { ITEMS, vhdx } from './samples/microsoft.ts'
import { mbr } from './samples/tables.ts'
import { zip } from './samples/zip.ts'

const MIB = 2 ** 20
const BACKED = qcow2((it) => it.u64(8, 512)).bytes
const PLAIN = qcow2().bytes
const NOISE = randomBytes(200_000)

t.test('S-41 what is packed is named', async (t) => {
  const cases = [
    ['qcow2', PLAIN],
    ['vhdx', vhdx().bytes],
    ['ova', ova()],
    ['raw', mbr().bytes],
    ['gzip', gzipSync(PLAIN)]
  ] as const
  for (const [format, bytes] of cases) {
    for (const [outer, packed] of [
      ['gzip', gzipSync(bytes)],
      ['zip', zip(bytes)],
      ['zip', zip(bytes, { method: 0 })]
    ] as const) {
      const report = inspect(packed)
      t.match(report, { format: outer, compressedBy: outer, verdict: 'safe', inner: { format } })
      t.equal(report.declaredSize, bytes.length)
      t.equal(report.virtualSize, undefined)
    }
  }
  t.notOk(inspect(gzipSync(gzipSync(PLAIN))).inner?.inner, 'one layer')
})

t.test('S-41 what is packed is judged as far as it was seen', async (t) => {
  t.match(inspect(gzipSync(PLAIN)).inner, { verdict: 'safe', virtualSize: MIB, size: PLAIN.length })
  const long = inspect(gzipSync(Buffer.concat([mbr().bytes, NOISE])))
  t.match(long, {
    verdict: 'safe',
    inner: { verdict: 'indeterminate', format: 'raw', content: 'mbr' }
  })
  const much = inspect(gzipSync(vhdx().bytes))
  t.match(much.inner, { verdict: 'safe', virtualSize: 8 * MIB }, 'behind 1 MiB')
})

t.test('S-41 little is unpacked of an archive when much was before', async (t) => {
  const packed = gzipSync(vhdx().bytes)
  const body = (index: number) => (index === 9 ? gzipSync(BACKED) : packed)
  const report = inspect(
    ova(
      undefined,
      Array.from({ length: 10 }, (_, index) => ({ name: `disk${index}.vmdk`, body: body(index) }))
    )
  )
  const inner = report.members.map((member) => member.report?.inner)
  t.match(inner[1], { format: 'vhdx', verdict: 'safe' })
  t.match(inner[9], { format: 'vhdx', verdict: 'indeterminate', virtualSize: undefined })
  t.match(inner[10], { format: 'qcow2', verdict: 'unsafe' }, 'heads are still seen')
  t.equal(report.findings.find(({ code }) => code === 'QCOW2_BACKING_FILE')?.member, 10)
})

const gz = gzipSync(PLAIN)
rejects('S-10 S-41 gzip of an unsafe image', 'QCOW2_BACKING_FILE', gzipSync(BACKED))
rejects('S-10 S-41 zip of an unsafe image', 'QCOW2_BACKING_FILE', zip(BACKED))
rejects(
  'S-10 S-41 zip of an unsafe image that is not packed',
  'QCOW2_BACKING_FILE',
  zip(BACKED, { method: 0 })
)
rejects(
  'S-10 S-41 gzip of an unsafe image with a name',
  'QCOW2_BACKING_FILE',
  named(gzipSync(BACKED))
)
rejects(
  'S-41 gzip of an image that is cut',
  'OFFSET_BEYOND_EOF',
  gzipSync(PLAIN.subarray(0, 70_000))
)
rejects('S-41 zip of an image that is cut', 'OFFSET_BEYOND_EOF', zip(PLAIN.subarray(0, 70_000)))

/** Blocks of deflate that hold nothing. */
const nothing = (length: number): Uint8Array =>
  Buffer.alloc(length - (length % 5)).map((_, at) => [0, 0, 0, 255, 255][at % 5] ?? 0)
const behind = (length: number, packed: Uint8Array): Uint8Array =>
  Buffer.concat([packed.subarray(0, 10), nothing(length), packed.subarray(10)])

rejects(
  'S-10 S-41 gzip of an unsafe image behind 70 KB of nothing',
  'COMPRESSION_SYNTAX',
  behind(70_000, gzipSync(BACKED))
)
rejects(
  'S-10 S-41 zip of an unsafe image behind 70 KB of nothing',
  'COMPRESSION_SYNTAX',
  zip(BACKED, { packed: Buffer.concat([nothing(70_000), deflateRawSync(BACKED)]) })
)
rejects(
  'S-10 S-41 zip of an unsafe image behind a long field',
  'COMPRESSION_SYNTAX',
  zip(BACKED, { method: 0, extra: 65_535 })
)
rejects(
  'S-10 S-41 gzip of an unsafe image between nothing and many zeros',
  'QCOW2_BACKING_FILE',
  behind(40_000, gzipSync(Buffer.concat([BACKED, Buffer.alloc(16 * MIB)])))
)
rejects(
  'S-10 S-41 gzip of an image that is unsafe behind much noise and before many zeros',
  'VHDX_PARENT',
  gzipSync(
    Buffer.concat([
      vhdx((it) => it.put(4096, NOISE.subarray(0, 45_000)), {
        items: [
          [ITEMS.parameters, [0, 0, 32, 0, 2, 0, 0, 0]],
          [ITEMS.size, [0, 0, 0, 1, 0, 0, 0, 0]],
          [ITEMS.sector, [0, 2, 0, 0]]
        ]
      }).bytes,
      Buffer.alloc(16 * MIB)
    ])
  )
)
rejects(
  'zip of less than it says',
  'COMPRESSION_SYNTAX',
  zip(PLAIN, { packed: deflateRawSync(PLAIN).subarray(0, -2) })
)
rejects(
  'S-10 S-41 gzip in an ova',
  'QCOW2_BACKING_FILE',
  ova(undefined, [{ name: 'disk.vmdk', body: gzipSync(BACKED) }])
)
rejects(
  'S-41 gzip whose second member is a qcow2',
  'POLYGLOT',
  Buffer.concat([gzipSync('hello'), gz])
)
rejects('S-41 gzip whose first member is empty', 'POLYGLOT', Buffer.concat([gzipSync(''), gz]))
rejects(
  'S-41 gzip of many members',
  'COMPRESSION_SYNTAX',
  Buffer.concat(Array.from({ length: 40 }, () => gzipSync('a')))
)
rejects(
  'gzip with damaged bytes',
  'COMPRESSION_SYNTAX',
  Buffer.concat([gz.subarray(0, 10), Buffer.alloc(99, 255)])
)
rejects(
  'gzip with a wrong checksum',
  'COMPRESSION_SYNTAX',
  Buffer.concat([gz.subarray(0, -8), Buffer.alloc(4), gz.subarray(-4)])
)
rejects('gzip with reserved flags', 'COMPRESSION_SYNTAX', Buffer.from(gz).fill(0x80, 3, 4))
rejects(
  'gzip with a name without an end',
  'TRUNCATED',
  Buffer.alloc(100, 65).fill(gz.subarray(0, 3), 0, 3).fill(8, 3, 4)
)
for (const cut of [3, 4, 9, 10, 12, 200, gz.length - 8, gz.length - 4, gz.length - 1])
  rejects(`gzip cut at ${cut}`, 'TRUNCATED', gz.subarray(0, cut))
rejects('zip without its directory', 'TRUNCATED', zip(PLAIN).subarray(0, -100))
rejects('zip cut in its header', 'TRUNCATED', zip(PLAIN).subarray(0, 20))
rejects(
  'zip with damaged bytes',
  'COMPRESSION_SYNTAX',
  zip(PLAIN, { packed: Buffer.alloc(64, 255) })
)
rejects('xz without its footer', 'TRUNCATED', new Layout(64, true).text(0, '\xfd7zXZ\0'))
rejects(
  'zstd of more than is allowed',
  'EXPANSION_CAP',
  new Layout(64, true).put(0, [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 1, 0])
)

warns('gzip with more behind it', 'TRAILING_DATA', Buffer.concat([gz, Buffer.from('hello')]))
warns(
  'gzip in two members',
  undefined,
  Buffer.concat([gzipSync(PLAIN.subarray(0, 70_000)), gzipSync(PLAIN.subarray(70_000))])
)
warns(
  'zip with a long comment',
  undefined,
  ((it) => {
    it.writeUInt16LE(65_535, it.length - 65_535 - 2)
    return it
  })(Buffer.concat([zip(mbr().bytes), Buffer.alloc(65_535, 65)]))
)
warns('zip that is encrypted', undefined, zip(BACKED, { flags: 1 }))
warns('zip of an unknown method', undefined, zip(BACKED, { method: 93, packed: NOISE }))

/** The same with a comment, a name and an extra field. */
function named(packed: Uint8Array): Uint8Array {
  const head = Buffer.from(packed.subarray(0, 10)).fill(4 | 8 | 16 | 2, 3, 4)
  const fields = Buffer.from('\x03\0abcdisk.raw\0a comment\0\x12\x34', 'latin1')
  return Buffer.concat([head, fields, packed.subarray(10)])
}

t.test('S-12 S-41 bombs cost little', async (t) => {
  const bomb = gzipSync(Buffer.alloc(64 * MIB))
  const bombs = {
    'gzip of zeros': bomb,
    'zip of zeros': zip(Buffer.alloc(64 * MIB)),
    'gzip of an image of zeros': gzipSync(
      Buffer.concat([vhdx().bytes.subarray(0, MIB / 2), Buffer.alloc(64 * MIB)])
    ),
    'gzip in gzip': gzipSync(bomb),
    // blocks that hold nothing
    'gzip of nothing': Buffer.concat([
      bomb.subarray(0, 10),
      Buffer.alloc(70_000).map((_, at) => [0, 0, 0, 255, 255][at % 5] ?? 0)
    ]),
    'gzip of members': Buffer.concat(Array.from({ length: 2000 }, () => gzipSync('a')))
  }
  for (const [name, bytes] of Object.entries(bombs)) {
    const from = process.cpuUsage()
    inspect(bytes, 65536)
    const { user, system } = process.cpuUsage(from)
    t.ok(user + system < 500_000, `${name}: ${(user + system) / 1000} ms`)
  }
  t.match(
    codesOf(inspect(zip(deflateRawSync(PLAIN), { method: 8, packed: deflateRawSync(PLAIN) }))),
    []
  )
})
