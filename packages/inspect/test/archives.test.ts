import { gzipSync } from 'node:zlib'
import t from 'tap'
import { OVF, ova, pax, type TarEntry, tar } from './samples/archives.ts'
import { iso, qcow2 } from './samples/disks.ts'
import { codesOf, inspect } from './samples/inspect.ts'
import { rejects, warns } from './samples/judge.ts'
import { vhdFixed } from './samples/microsoft.ts'
import { mbr } from './samples/tables.ts'
import { vmdk } from './samples/vmdk.ts'

const DISK: TarEntry = { name: 'disk.vmdk', body: vmdk().bytes }
const BACKED = qcow2((it) => it.u64(8, 512)).bytes
const base256 = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)

const members: Readonly<Record<string, readonly [code: string, entry: TarEntry]>> = {
  'S-24 a symbolic link': ['TAR_LINK', { name: 'a', type: '2' }],
  'S-24 a hard link': ['TAR_LINK', { name: 'a', type: '1' }],
  'S-24 a character device': ['TAR_LINK', { name: 'a', type: '3' }],
  'S-24 a block device': ['TAR_LINK', { name: 'a', type: '4' }],
  'S-24 a folder': ['TAR_LINK', { name: 'a', type: '5' }],
  'S-24 a pipe': ['TAR_LINK', { name: 'a', type: '6' }],
  'S-31 a sparse file': ['TAR_LINK', { name: 'a', type: 'S' }],
  'S-31 an unknown type': ['TAR_HEADER', { name: 'a', type: 'Z' }],
  'S-31 headers for all': ['TAR_HEADER', { name: 'a', type: 'g' }],
  'S-31 an absolute name': ['TAR_TRAVERSAL', { name: '/etc/passwd' }],
  'S-31 an absolute prefix': ['TAR_TRAVERSAL', { name: 'passwd', prefix: '/etc' }],
  'S-31 a name that goes up': ['TAR_TRAVERSAL', { name: 'a/../../b' }],
  'S-31 a name that goes up on Windows': ['TAR_TRAVERSAL', { name: 'a\\..\\b' }],
  'S-31 a name of a drive': ['TAR_TRAVERSAL', { name: 'c:b' }],
  'S-31 a prefix of GNU that goes up': [
    'TAR_TRAVERSAL',
    { name: 'b', prefix: '../..', magic: 'ustar  \0' }
  ],
  // its bytes are headers for some
  'S-24 a file named like a folder': [
    'TAR_LINK',
    { name: 'a/', type: '\0', body: tar([{ name: 'a', type: '2' }]) }
  ],
  'S-31 a size of another kind in its extended header': [
    'TAR_HEADER',
    pax({ 'SCHILY.realsize': '1' })
  ],
  'S-31 no name': ['TAR_TRAVERSAL', { name: '' }],
  'S-31 a name twice': ['TAR_DUPLICATE', DISK],
  'S-31 a name twice, once from the folder itself': [
    'TAR_DUPLICATE',
    { ...DISK, name: `./${DISK.name}` }
  ],
  'S-31 the name of the folder itself': ['TAR_TRAVERSAL', { name: '.' }],
  'S-31 a name twice in another case': ['TAR_DUPLICATE', { ...DISK, name: 'DISK.vmdk' }],
  'S-31 a negative size': [
    'TAR_HEADER',
    { name: 'a', size: base256(0xff, 255, 255, 255, 255, 255, 255, 255, 255, 255, 254, 0) }
  ],
  'S-31 an absurd size': [
    'TAR_HEADER',
    { name: 'a', size: base256(0x80, 0, 0, 0, 127, 255, 255, 255, 255, 255, 255, 255) }
  ],
  'S-31 a size of 8 GiB': [
    'TRUNCATED',
    { name: 'a', size: base256(0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0) }
  ],
  'S-31 a size of no digits': ['TAR_HEADER', { name: 'a', size: '0000000x000\0' }],
  'S-31 a long name of 1 MiB': ['TAR_HEADER', { name: 'a', type: 'L', body: 'a'.repeat(2 ** 20) }],
  'S-31 an extended header of 1 MiB': [
    'TAR_HEADER',
    { name: 'a', type: 'x', size: '00004000000\0' }
  ],
  'S-31 a damaged extended header': ['TAR_HEADER', { name: 'a', type: 'x', body: '99 path=a\n' }],
  'S-31 an extended header of zeros': ['TAR_HEADER', { name: 'a', type: 'x', body: '0 path=a\n' }],
  'S-31 a name with a NUL': ['TAR_HEADER', pax({ path: 'a\0b' })],
  'S-31 a name like a number': ['TAR_HEADER', pax({ path: '123' })],
  'S-31 a negative size in its extended header': ['TAR_HEADER', pax({ size: '-1' })],
  'S-31 a sparse file in its extended header': ['TAR_HEADER', pax({ 'GNU.sparse.major': '1' })],
  'S-10 an unsafe disk': ['QCOW2_BACKING_FILE', { name: 'b.qcow2', body: BACKED }],
  // whatever names it as a disk will open it as one
  'S-10 an unsafe disk called as a text': ['QCOW2_BACKING_FILE', { name: 'b.mf', body: BACKED }]
}

for (const [name, [code, entry]] of Object.entries(members))
  rejects(`ova with ${name}`, code, ova(OVF, [DISK, entry]))

rejects(
  'S-31 ova with a name twice, with separators of another kind and number',
  'TAR_DUPLICATE',
  ova(OVF, [DISK, { name: 'a/b' }, { name: 'a\\.\\/b' }])
)
rejects(
  'S-31 ova with a long name that goes up',
  'TAR_TRAVERSAL',
  ova(OVF, [DISK, pax({ path: '../b' }), { name: 'b' }])
)
const LONG: TarEntry = { name: 'l', type: 'L', body: 'disk.vmdk\0' }
const UP = pax({ path: '../b' })
rejects('S-31 ova with two long names', 'TAR_HEADER', ova(OVF, [LONG, LONG, DISK]))
rejects('S-31 ova with a name before its long name', 'TAR_HEADER', ova(OVF, [UP, LONG, DISK]))
rejects('S-31 ova with a name behind its long name', 'TAR_HEADER', ova(OVF, [LONG, UP, DISK]))
rejects(
  'S-31 ova with two names in extended headers',
  'TAR_HEADER',
  ova(OVF, [UP, pax({ path: 'disk.vmdk' }), DISK])
)
// some take it for the size of the long name
rejects(
  'S-31 ova with a size before its long name',
  'TAR_HEADER',
  ova(OVF, [pax({ size: '32768' }), LONG, DISK])
)
rejects(
  'S-31 ova with a name that goes up behind another one',
  'TAR_TRAVERSAL',
  ova(OVF, [pax({ path: 'disk.vmdk' }), { ...DISK, name: '../b' }])
)
rejects(
  'S-24 ova with a name like a folder behind another one',
  'TAR_LINK',
  ova(OVF, [pax({ path: 'disk.vmdk' }), { ...DISK, name: 'a/' }])
)
rejects(
  'S-31 ova with a name of 5000 letters',
  'TAR_HEADER',
  ova(OVF, [DISK, pax({ path: 'a'.repeat(5000) }), { name: 'b' }])
)
rejects('S-31 ova with a damaged checksum', 'TAR_HEADER', ((it) => it.fill(65, 1030, 1031))(ova()))
rejects(
  'S-31 ova with 65 members',
  'TAR_MEMBERS',
  ova(OVF, [DISK, ...Array.from({ length: 64 }, (_, index) => ({ name: `m${index}` }))])
)
rejects(
  'S-31 ova with endless extended headers',
  'TAR_MEMBERS',
  ova(OVF, [DISK, ...Array.from({ length: 200 }, () => pax({ comment: 'x' }))])
)
const WARNED = Buffer.concat([
  gzipSync(qcow2((it) => it.u64(72, 17).u32(60, 1).u64(64, 65536)).bytes),
  Buffer.from('x')
])
rejects(
  'S-10 ova with an unsafe disk behind more findings than are kept',
  'QCOW2_BACKING_FILE',
  ova(OVF, [
    DISK,
    ...Array.from({ length: 60 }, (_, index) => ({ name: `m${index}`, body: WARNED })),
    { name: 'b.qcow2', body: BACKED }
  ])
)
const foreign: Readonly<Record<string, Partial<TarEntry>>> = {
  'no magic': { magic: '' },
  'no magic and a long checksum': {
    magic: '',
    checksum: (sum) => ` 0o${sum.toString(8).padStart(5, '0')}`
  },
  'no magic and a checksum in base 256': {
    magic: '',
    checksum: (sum) => Uint8Array.from([0x80, 0, 0, 0, 0, 0, sum >> 8, sum & 255])
  },
  'no magic and a checksum with a sign': {
    name: '\xe4.ovf',
    magic: '',
    checksum: (sum) => `${(sum - 256).toString(8).padStart(6, '0')}\0 `
  }
}
for (const [name, change] of Object.entries(foreign))
  rejects(
    `S-31 ova with ${name}`,
    'TAR_HEADER',
    tar([{ name: 'disk.ovf', body: OVF, ...change }, DISK])
  )
rejects('ova without its end', 'TRUNCATED', tar([{ name: 'disk.ovf', body: OVF }, DISK], 0))

const descriptions: Readonly<Record<string, readonly [code: string, ovf: string]>> = {
  'a document type': ['OVF_DTD', `<!DOCTYPE x [<!ENTITY a "b">]>${OVF}`],
  'a document type in lower case': ['OVF_DTD', `<!doctype x>${OVF}`],
  'an entity': ['OVF_DTD', OVF.replace('file1', '&lol;')],
  'a numeric entity': ['OVF_DTD', OVF.replace('file1', '&#x41;')],
  'a file that is no member': ['OVF_EXTERNAL', OVF.replace('disk.vmdk', 'other.vmdk')],
  'a file of the system': ['OVF_EXTERNAL', OVF.replace('disk.vmdk', '/etc/passwd')],
  'a file of the network': ['OVF_EXTERNAL', OVF.replace('disk.vmdk', 'http://example.org/x')],
  'a file in single quotes': ['OVF_EXTERNAL', OVF.replace('"disk.vmdk"', "'x'")],
  'a file without a prefix': ['OVF_EXTERNAL', OVF.replace('ovf:href="disk.vmdk"', 'href="x"')],
  'two files in one tag': ['OVF_EXTERNAL', OVF.replace('ovf:id', 'href="x" ovf:id')],
  'a file in a value of another attribute': [
    'OVF_EXTERNAL',
    OVF.replace('ovf:href="disk.vmdk"', `x=" href='" href="/etc/passwd" y="'"`)
  ],
  'a base elsewhere': ['OVF_EXTERNAL', OVF.replace('<References', '<References xml:base="/etc/"')],
  'a file that is none when it is decoded': [
    'OVF_EXTERNAL',
    OVF.replace('disk.vmdk', '%2e%2e%2fb')
  ],
  'tags 65 deep': ['OVF_SYNTAX', '<a>'.repeat(65) + '</a>'.repeat(65)],
  'tags that are not closed': ['OVF_SYNTAX', OVF.replace('</Envelope>', '')],
  'tags that are closed twice': ['OVF_SYNTAX', `${OVF}</Envelope>`],
  'tags in the wrong order': ['OVF_SYNTAX', '<a><b></a></b>'],
  'a damaged tag': ['OVF_SYNTAX', OVF.replace('<References>', '<References x=1>')],
  'a comment without an end': ['OVF_SYNTAX', `${OVF}<!-- `],
  nothing: ['OVF_SYNTAX', ''],
  'text and no tags': ['OVF_SYNTAX', 'hello'],
  'something before it': ['OVF_SYNTAX', `QFI\xfb\0${OVF}`],
  'text before it': ['OVF_SYNTAX', `hello ${OVF}`],
  'text behind it': ['OVF_SYNTAX', `${OVF}hello`],
  'two roots': ['OVF_SYNTAX', `${OVF}<a/>`],
  'another instruction': ['OVF_SYNTAX', `${OVF}<?xml-stylesheet href="http://example.org/"?>`],
  'two bytes a character': ['OVF_SYNTAX', [...OVF].join('\0')],
  'an encoding that hides a document type': ['OVF_SYNTAX', OVF.replace('UTF-8', 'UTF-7')],
  'an encoding in the value of another attribute': [
    'OVF_SYNTAX',
    OVF.replace(' encoding="UTF-8"', ` a=' encoding="UTF-8"' encoding="UTF-7"`)
  ],
  'more than 1 MiB': ['OVF_SYNTAX', OVF + ' '.repeat(2 ** 20)]
}

for (const [name, [code, ovf]] of Object.entries(descriptions))
  rejects(`S-32 ova with a description of ${name}`, code, ova(ovf))

/** Members with the very names that a description may not use. */
const foreignFiles: Readonly<Record<string, string>> = {
  'is quoted in another attribute': `" href="/etc/passwd" y="`,
  'is an address': 'http://example.org/x',
  'is an address when it is decoded': 'http%3a//example.org/x',
  'goes up when it is decoded': '%2e%2e%2fb',
  'begins with a space': ' /etc/passwd',
  'begins with a space of others': '\xc2\xa0/etc/passwd'
}
for (const [name, file] of Object.entries(foreignFiles)) {
  const href = file.startsWith('"') ? `x=" href='" href="/etc/passwd" y="'"` : `href="${file}"`
  rejects(
    `S-32 ova with a file that ${name}`,
    'OVF_EXTERNAL',
    ova(OVF.replace('ovf:href="disk.vmdk"', href), [{ ...DISK, name: file }])
  )
}
const manyNames = Array.from({ length: 300 }, (_, index) =>
  [...'diskdiskdisk'].map((it, at) => ((index >> at) & 1 ? it.toUpperCase() : it)).join('')
)
rejects(
  'S-32 ova whose description names one file in many ways, then another',
  'OVF_SYNTAX',
  ova(
    OVF.replace(
      '<File ovf:href="disk.vmdk"',
      `${manyNames.map((name) => `<File href="${name}"/>`).join('')}<File href="/etc/passwd"`
    ),
    [{ ...DISK, name: 'diskdiskdisk' }]
  )
)
warns(
  'ova with a name that is encoded in its description',
  undefined,
  ova(OVF.replace('disk.vmdk', 'my%20disk.vmdk'), [{ ...DISK, name: 'my disk.vmdk' }])
)
warns(
  'ova with a name that begins at the folder itself',
  undefined,
  ova(OVF, [{ ...DISK, name: './disk.vmdk' }])
)
warns(
  'ova with a name that begins at the folder itself in its description',
  undefined,
  ova(OVF.replace('disk.vmdk', './disk.vmdk'), [DISK])
)
warns(
  'ova with a name that looks encoded',
  undefined,
  ova(OVF.replace('disk.vmdk', 'a%20b'), [{ ...DISK, name: 'a%20b' }])
)

const EVIL = { name: 'a.ovf', body: OVF.replace('disk.vmdk', '/etc/passwd') }
rejects(
  'S-32 tar whose description is not its first member',
  'OVF_EXTERNAL',
  tar([{ name: 'README', body: 'x' }, { ...EVIL, name: 'a.OVF' }, DISK])
)
rejects(
  'S-32 ova with a second description',
  'TAR_DUPLICATE',
  ova(OVF, [DISK, { name: 'b.ovf', body: OVF }])
)
rejects(
  'S-32 ova whose description has another name in its extended header',
  'OVF_EXTERNAL',
  tar([pax({ path: 'a.bin' }), EVIL, DISK])
)
rejects(
  'S-32 tar whose description has its name from its extended header',
  'OVF_EXTERNAL',
  tar([pax({ path: 'a.ovf' }), { ...EVIL, name: 'a.bin' }, DISK])
)
warns(
  'tar whose good description is not its first member',
  undefined,
  tar([{ name: 'README', body: 'x' }, { name: 'a.ovf', body: OVF }, DISK])
)
warns(
  'ova with a manifest and a certificate',
  undefined,
  ova(OVF, [
    { name: 'disk.mf', body: 'SHA256(disk.ovf)= 0' },
    { name: 'disk.cert', body: 'x' },
    DISK
  ])
)
warns(
  'ova with its size in an extended header, too',
  undefined,
  ova(OVF, [pax({ size: '32768' }), DISK])
)
rejects(
  'S-31 ova with another size in its extended header',
  'TAR_HEADER',
  ova(OVF, [pax({ size: '32768' }), { ...DISK, size: '00000000000\0' }])
)
rejects(
  'S-31 ova with a member behind an empty block',
  'TAR_HEADER',
  Buffer.concat([tar([{ name: 'disk.ovf', body: OVF }, DISK], 1), tar([DISK])])
)
warns(
  'ova that ends in one empty block',
  undefined,
  tar([{ name: 'disk.ovf', body: OVF }, DISK], 1)
)
warns('ova with entities that everybody knows', undefined, ova(OVF.replace('file1', '&amp;&lt;')))
warns('ova with a mark before its description', undefined, ova(`\xef\xbb\xbf${OVF}`))
warns('tar of files', undefined, tar([{ name: 'a', body: 'b' }]))

t.test('what is said of an archive', async (t) => {
  const timed = tar([
    pax({ mtime: '1.5' }),
    { name: 'disk.ovf', body: OVF },
    pax({ mtime: '2.5' }),
    DISK
  ])
  t.match(inspect(timed), { format: 'ova', verdict: 'safe', members: { length: 2 } })
  const offset = 1536 + (OVF.length > 512 ? 512 : 0)
  t.match(inspect(ova()), {
    format: 'ova',
    members: [
      { name: 'disk.ovf', offset: 512, size: OVF.length },
      { name: 'disk.vmdk', offset, report: { format: 'vmdk', virtualSize: 1048576 } }
    ]
  })
  const report = inspect(ova(OVF, [DISK, { name: 'b', body: BACKED }]))
  t.match(report.findings, [{ code: 'QCOW2_BACKING_FILE', member: 2, offset: offset + 33280 + 8 }])
  t.match(inspect(tar([{ name: 'a.tar', body: ova() }])).members, [{ report: { format: 'raw' } }])
})

t.test('an image that is valid as two formats is unsafe', async (t) => {
  const withIso = (bytes: Uint8Array): Uint8Array => {
    const disc = iso().bytes.slice()
    disc.set(bytes.subarray(0, 32768))
    return disc
  }
  t.ok(codesOf(inspect(withIso(qcow2().bytes))).includes('POLYGLOT'), 'qcow2 in an ISO')
  t.ok(codesOf(inspect(withIso(vmdk().bytes))).includes('POLYGLOT'), 'vmdk in an ISO')
  t.ok(codesOf(inspect(withIso(ova()))).includes('POLYGLOT'), 'ova in an ISO')
  t.same(codesOf(inspect(withIso(mbr().bytes))), [], 'a hybrid ISO')
  const table = mbr().bytes.subarray(446, 512)
  const disk = qcow2().put(446, table).bytes
  t.same(codesOf(inspect(disk)), ['POLYGLOT'], 'a partition table in a qcow2')
  const trailer = vhdFixed((it) => it.put(446, table)).bytes
  t.match(inspect(trailer), { format: 'vhd', content: 'mbr', verdict: 'safe' })
  const footed = Buffer.concat([qcow2().bytes, vhdFixed().bytes.subarray(-512)])
  t.ok(codesOf(inspect(footed)).includes('POLYGLOT'), 'qcow2 with the footer of a vhd')
})
