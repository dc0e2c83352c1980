import t from 'tap'
import { inspect } from './samples/inspect.ts'
import { rejects, warns } from './samples/judge.ts'
import { type Change, Layout } from './samples/layout.ts'
import { DESCRIPTOR, vmdk, vmdkStream } from './samples/vmdk.ts'

const END = 64 * 512

const headers: Readonly<Record<string, readonly [code: string, change: Change]>> = {
  'version 0': ['VMDK_HEADER', (it) => it.u32(4, 0)],
  'version 4': ['VMDK_HEADER', (it) => it.u32(4, 4)],
  'the capacity 0': ['VMDK_ZERO_CAPACITY', (it) => it.u64(12, 0)],
  'an absurd capacity': ['VIRTUAL_SIZE_CAP', (it) => it.u64(12, 2n ** 62n)],
  'grains of 3 sectors': ['VMDK_HEADER', (it) => it.u64(20, 3)],
  'grains of 4 sectors': ['VMDK_HEADER', (it) => it.u64(20, 4)],
  'grains of 2 GiB': ['VMDK_HEADER', (it) => it.u64(20, 2 ** 22)],
  'its descriptor elsewhere': ['VMDK_HEADER', (it) => it.u64(28, 2)],
  'no descriptor': ['VMDK_HEADER', (it) => it.u64(36, 0)],
  'a descriptor of 1 MiB': ['VMDK_HEADER', (it) => it.u64(36, 2048)],
  'empty grain tables': ['VMDK_HEADER', (it) => it.u32(44, 0)],
  'long grain tables': ['VMDK_HEADER', (it) => it.u32(44, 513)],
  'a second directory behind the end': ['OFFSET_BEYOND_EOF', (it) => it.u64(48, 64)],
  'a directory behind the end': ['OFFSET_BEYOND_EOF', (it) => it.u64(56, 64)],
  'a directory that ends behind the end': [
    'OFFSET_BEYOND_EOF',
    (it) => it.u64(12, 2 ** 26).u64(56, 63)
  ],
  'an overhead behind the end': ['OFFSET_BEYOND_EOF', (it) => it.u64(64, 65)],
  'damaged line ends': ['VMDK_HEADER', (it) => it.text(73, '\n\n\r\n')],
  'an unknown compression': ['VMDK_HEADER', (it) => it.u16(77, 2)],
  'compressed grains of no method': ['VMDK_HEADER', (it) => it.u32(8, 0x10003)],
  'more behind its descriptor’s end': [
    'VMDK_DESCRIPTOR_SYNTAX',
    (it) => it.text(512 + DESCRIPTOR.length + 8, 'parentCID=1')
  ]
}

for (const [name, [code, change]] of Object.entries(headers))
  rejects(`vmdk with ${name}`, code, vmdk(change))

const replaced = (from: string | RegExp, to: string): string => {
  const text = DESCRIPTOR.replace(from, to)
  if (text === DESCRIPTOR) throw new Error(`nothing is like ${from}`)
  return text
}

const EXTENT = 'RW 2048 SPARSE "disk.vmdk"'
const descriptors: Readonly<Record<string, readonly [code: string, text: string]>> = {
  'a parent': ['VMDK_PARENT', replaced('parentCID=ffffffff', 'parentCID=12345678')],
  'a parent’s name': ['VMDK_PARENT', `${DESCRIPTOR}parentFileNameHint="/abs/path.vmdk"\n`],
  // readers look for the word wherever it stands
  'a parent’s name in a comment': ['VMDK_PARENT', `#parentFileNameHint="/etc/x"\n${DESCRIPTOR}`],
  'a parent’s name in a value': [
    'VMDK_PARENT',
    `${DESCRIPTOR}ddb.x = parentFileNameHint="/etc/x"\n`
  ],
  'a file of changes': ['VMDK_PARENT', `${DESCRIPTOR}changeTrackPath="ctk.vmdk"\n`],
  'another type': ['VMDK_SUBFORMAT', replaced('monolithicSparse', 'monolithicFlat')],
  'a custom type': ['VMDK_SUBFORMAT', replaced('monolithicSparse', 'custom')],
  'no type': ['VMDK_SUBFORMAT', replaced(/createType.*\n/, '')],
  'a type in another case': ['VMDK_SUBFORMAT', replaced('monolithicSparse', 'MONOLITHICSPARSE')],
  'two types': [
    'VMDK_DESCRIPTOR_SYNTAX',
    replaced('createType', 'CREATETYPE="monolithicFlat"\ncreateType')
  ],
  'a type in a comment': ['VMDK_DESCRIPTOR_SYNTAX', `#createType="monolithicFlat"\n${DESCRIPTOR}`],
  'a key twice': ['VMDK_DESCRIPTOR_SYNTAX', `${DESCRIPTOR}cid=1\n`],
  'a lone CR': ['VMDK_DESCRIPTOR_SYNTAX', replaced('#DDB\n', '#DDB\r')],
  'a strange line': ['VMDK_DESCRIPTOR_SYNTAX', `${DESCRIPTOR}hello\n`],
  'a byte of no text': ['VMDK_DESCRIPTOR_SYNTAX', `${DESCRIPTOR}#\x01\n`],
  'a letter of no ASCII': ['VMDK_DESCRIPTOR_SYNTAX', `${DESCRIPTOR}#\xe4\n`],
  'more lines than make sense': ['VMDK_DESCRIPTOR_SYNTAX', DESCRIPTOR + '\n'.repeat(5000)],
  'no extent': ['VMDK_DESCRIPTOR_SYNTAX', replaced(`${EXTENT}\n`, '')],
  'an extent of another size': ['VMDK_DESCRIPTOR_SYNTAX', replaced('RW 2048', 'RW 2049')],
  'two extents': ['VMDK_EXTERNAL_EXTENT', replaced(EXTENT, `${EXTENT}\n${EXTENT}`)],
  'a flat extent': ['VMDK_EXTERNAL_EXTENT', replaced(EXTENT, 'RW 2048 FLAT "disk.vmdk" 0')],
  'an extent of zeros': ['VMDK_EXTERNAL_EXTENT', replaced(EXTENT, 'RW 2048 ZERO')],
  'a damaged extent': ['VMDK_EXTERNAL_EXTENT', replaced(EXTENT, 'RW 2048')],
  ...Object.fromEntries(
    ['/etc/passwd', 'a\\b', 'c:x', '%2e', '.', '..', ''].map((name) => [
      `the extent "${name}"`,
      ['VMDK_EXTERNAL_EXTENT', replaced('"disk.vmdk"', `"${name}"`)] as const
    ])
  )
}

for (const [name, [code, text]] of Object.entries(descriptors))
  rejects(`S-10 vmdk with ${name}`, code, vmdk(undefined, text))

const footers: Readonly<Record<string, readonly [code: string, change: Change]>> = {
  'that moves the descriptor': ['VMDK_FOOTER_MISMATCH', (it) => it.u64(END - 1024 + 28, 30)],
  'of another capacity': ['VMDK_FOOTER_MISMATCH', (it) => it.u64(END - 1024 + 12, 1)],
  'of another compression': ['VMDK_FOOTER_MISMATCH', (it) => it.u16(END - 1024 + 77, 0)],
  'that leaves the directory open': [
    'VMDK_FOOTER_MISMATCH',
    (it) => it.u64(END - 1024 + 56, 2n ** 64n - 1n)
  ],
  'whose directory is behind the end': ['OFFSET_BEYOND_EOF', (it) => it.u64(END - 1024 + 56, 64)],
  'without its marker': ['TRUNCATED', (it) => it.u32(END - 1536 + 12, 2)],
  'without an end': ['TRUNCATED', (it) => it.u32(END - 512 + 12, 1)]
}

for (const [name, [code, change]] of Object.entries(footers))
  rejects(`vmdk with a footer ${name}`, code, vmdkStream(change))

/** Some readers round the size up, and take the footer behind the one that is looked at. */
rejects(
  'vmdk with a second footer in a last sector that is not whole',
  'VMDK_FOOTER_MISMATCH',
  Buffer.concat([
    vmdkStream().bytes.subarray(0, -1536),
    Buffer.alloc(256),
    vmdkStream().bytes.subarray(-1536)
  ])
)
const text = (content: string): Uint8Array => Buffer.from(content, 'latin1')
const FLAT = DESCRIPTOR.replace('SPARSE', 'FLAT').replace('disk.vmdk', '/etc/passwd')
rejects('S-10 a text descriptor', 'VMDK_EXTERNAL_EXTENT', text(FLAT))
rejects('S-10 a text descriptor with two NULs', 'VMDK_EXTERNAL_EXTENT', text(`${FLAT}\0\0`))
rejects(
  'S-10 a text descriptor with CRLF',
  'VMDK_EXTERNAL_EXTENT',
  text(FLAT.replaceAll('\n', '\r\n'))
)
rejects(
  'S-10 a text descriptor behind comments',
  'VMDK_EXTERNAL_EXTENT',
  text(`# hello\n\n#${'x'.repeat(5000)}\n${FLAT.slice(FLAT.indexOf('\n') + 1)}`)
)
rejects(
  'S-10 a text descriptor without a version',
  'VMDK_EXTERNAL_EXTENT',
  text(FLAT.slice(FLAT.indexOf('CID')))
)
rejects(
  'S-10 a text descriptor whose type is no line of its own',
  'VMDK_EXTERNAL_EXTENT',
  text('x createType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n\0\0')
)
rejects(
  'S-10 a text descriptor behind much text',
  'VMDK_SUBFORMAT',
  text(`${'x'.repeat(700_003)}\n${FLAT}`)
)
rejects(
  'S-10 a text descriptor that begins with its encoding',
  'VMDK_EXTERNAL_EXTENT',
  text('encoding="UTF-8"\nversion=1\nRW 8 FLAT "/etc/passwd" 0\n')
)
warns('text behind a NUL is no descriptor', undefined, text(`x\0${FLAT}`))
rejects(
  'S-10 a text descriptor with a parent',
  'VMDK_PARENT',
  text(`${FLAT}parentFileNameHint=1\n`)
)
rejects('vmdk of ESX', 'VMDK_SUBFORMAT', new Layout(2048, true).text(0, 'COWD').u32(12, 2048))
rejects('vmdk of space-efficient form', 'VMDK_SUBFORMAT', new Layout(4096, true).u64(0, 0xcafebabe))
warns(
  'vmdk that was not closed',
  'VMDK_UNCLEAN',
  vmdk((it) => it.u8(72, 1))
)
warns('vmdk with CRLF', undefined, vmdk(undefined, DESCRIPTOR.replaceAll('\n', '\r\n')))

t.test('what is said of a vmdk image', async (t) => {
  t.match(inspect(vmdk().bytes), { subformat: 'monolithicSparse' })
  t.match(inspect(vmdkStream().bytes), { subformat: 'streamOptimized' })
})

t.test('S-12 zeros in a description cost little', async (t) => {
  const bytes = new Layout(65_000, true)
    .text(0, '# Disk DescriptorFile\nversion=1\n')
    .text(64_999, 'x').bytes
  const from = process.cpuUsage()
  t.match(inspect(bytes), { format: 'vmdk', verdict: 'unsafe' })
  t.ok(process.cpuUsage(from).user < 1_000_000, 'less than a second')
})
