import t from 'tap'
import {
  controlHeader,
  type ImageRecord,
  imageHeaders,
  isHeaderProperty,
  isTankError,
  isTrue,
  readImageHeaders,
  toBriefImageV1,
  toImageV1
} from '../src/index.ts'

const RECORD: ImageRecord = {
  id: '0d7f6a2c-8c8e-4f5e-9a39-3f1f3e2d1c0b',
  name: 'dësk 🐧',
  status: 'active',
  visibility: 'public',
  protected: false,
  os_hidden: false,
  owner: null,
  tags: ['x'],
  container_format: 'bare',
  disk_format: 'qcow2',
  min_disk: 1,
  min_ram: 64,
  size: 5120,
  virtual_size: 1_000_000,
  checksum: 'd41d8cd98f00b204e9800998ecf8427e',
  os_hash_algo: 'sha256',
  os_hash_value: 'ab',
  created_at: '2026-01-02T03:04:05.000000Z',
  updated_at: '2026-01-02T03:04:05.120000Z',
  deleted_at: null,
  announced_size: null,
  announced_checksum: null,
  properties: {},
  version: 3
}
const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
const withProperties = (properties: Record<string, string>) => toImageV1({ ...RECORD, properties })

t.test('V1-06: an image in the words of v1', async (t) => {
  t.same(toImageV1({ ...RECORD, size: null, properties: { a: 'b', empty: '' } }), {
    id: RECORD.id,
    name: RECORD.name,
    status: 'active',
    size: 0,
    virtual_size: null,
    disk_format: 'qcow2',
    container_format: 'bare',
    min_disk: 1,
    min_ram: 64,
    is_public: true,
    protected: false,
    deleted: false,
    checksum: RECORD.checksum,
    owner: null,
    created_at: '2026-01-02T03:04:05',
    updated_at: '2026-01-02T03:04:05.120000',
    deleted_at: null,
    properties: { a: 'b', empty: null }
  })
  for (const visibility of ['private', 'shared', 'community'] as const)
    t.equal(toImageV1({ ...RECORD, visibility }).is_public, false, visibility)
  const gone = toImageV1({ ...RECORD, deleted_at: '2026-02-03T04:05:06.700000Z' })
  t.match(gone, { deleted: true, deleted_at: '2026-02-03T04:05:06.700000' })
  t.same(
    toImageV1({ ...RECORD, properties: { a: 'b', c: 'd' } }, (name) => name === 'a').properties,
    {
      a: 'b'
    }
  )
})

t.test('V1-05: a brief entry has six keys', async (t) => {
  t.same(Object.keys(toBriefImageV1(toImageV1(RECORD))), [
    ...['id', 'name', 'size', 'disk_format', 'container_format', 'checksum']
  ])
})

t.test('V1-04: an image in headers', async (t) => {
  const headers = imageHeaders(withProperties({ distro: 'Debian', kernel_id: '', über: 'x' }))
  t.match(headers, {
    'x-image-meta-id': RECORD.id,
    'x-image-meta-name': latin1(RECORD.name ?? ''),
    'x-image-meta-size': '5120',
    'x-image-meta-is_public': 'True',
    'x-image-meta-protected': 'False',
    'x-image-meta-deleted': 'False',
    'x-image-meta-min_ram': '64',
    'x-image-meta-created_at': '2026-01-02T03:04:05',
    'x-image-meta-property-distro': 'Debian',
    'x-tank-omitted-properties': '1'
  })
  for (const name of ['owner', 'virtual_size', 'deleted_at', 'property-kernel_id', 'properties'])
    t.notOk(`x-image-meta-${name}` in headers, `${name} is null`)
})

t.test('what headers cannot carry is left out and counted', async (t) => {
  const hostile = {
    ...{ 'Upper-Case': 'x', 'a-b': 'x', 'with space': 'x', 'a:b': 'x', '': 'x' },
    ...{ newline: 'a\r\nx-image-meta-status: active', nul: 'a\u0001b', tab: 'a\tb', padded: ' a ' }
  }
  const headers = imageHeaders(withProperties({ ...hostile, fine: 'ok', 'also.fine~': '' }))
  t.equal(headers['x-tank-omitted-properties'], '9')
  t.equal(headers['x-image-meta-property-fine'], 'ok')
  t.equal(Object.keys(headers).filter((name) => name.includes('property-')).length, 1)
  t.notMatch(JSON.stringify(headers), /\\[rntu]/)
  t.equal(imageHeaders(toImageV1({ ...RECORD, name: 'a\nb' }))['x-tank-omitted-properties'], '1')
  t.notOk('x-tank-omitted-properties' in imageHeaders(withProperties({ a: 'b' })))
  t.ok(isHeaderProperty('os_type', 'linux ü'))
  t.notOk(isHeaderProperty('Os', 'x'))
  t.notOk(isHeaderProperty('os', 'x\n'))
})

t.test('all headers of an image together are bounded', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`p${n}`, 'v']))
  const few = imageHeaders(withProperties(many))
  t.equal(Object.keys(few).length, 301, '300 and the count')
  t.equal(Number(few['x-tank-omitted-properties']) + 300, 400 + 14)
  const long = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`p${n}`, 'ü'.repeat(5000)]))
  const headers = imageHeaders(withProperties(long))
  const bytes = Object.entries(headers).reduce((sum, [n, v]) => sum + n.length + v.length + 4, 0)
  t.ok(bytes < 66_000 && bytes > 50_000, `${bytes} bytes`)
})

t.test('V1-10: names are the same in any case, with - or _', async (t) => {
  const meta = readImageHeaders([
    ...['X-Image-Meta-Name', latin1('dësk 🐧')],
    ...['X-IMAGE-META-IS_PUBLIC', 'yes'],
    ...['x-image-meta-disk-format', 'raw'],
    ...['X-Image-Meta-Property-Kernel-ID', 'k'],
    ...['x-image-meta-property-empty', ''],
    ...['x-image-meta-property-__proto__', 'p'],
    ...['x-other', 'x'],
    ...['x-image-meta-created_at', 'never obeyed'],
    ...['x-image-meta-size', '0'],
    ...['x-image-meta-owner', ''],
    ...['x-image-meta-min-ram', '7']
  ])
  t.same(
    { ...meta, properties: Object.entries(meta.properties) },
    {
      name: 'dësk 🐧',
      is_public: true,
      disk_format: 'raw',
      size: 0,
      owner: null,
      min_ram: 7,
      properties: [
        ['kernel_id', 'k'],
        ['empty', ''],
        ['__proto__', 'p']
      ]
    }
  )
})

t.test(
  'V1-32: headers that cannot be are refused, in the words that clients look for',
  async (t) => {
    const refused: [name: string, value: string, text: RegExp][] = [
      ['size', 'big', /Cannot convert image size 'big' to an integer/],
      ['size', '', /Cannot convert image size '' to an integer/],
      ['size', '9007199254740993', /Cannot convert image size/],
      ['size', '-10', /Image size must be >= 0 \('-10' specified\)/],
      ['min_ram', '-1', /Invalid value/],
      ['min_disk', '', /Invalid value/],
      ['min-disk', '2147483648', /Invalid value/],
      ['name', 'x'.repeat(256), /Invalid value/],
      ['owner', 'x'.repeat(256), /Invalid value/],
      ['checksum', 'x'.repeat(33), /Invalid value/],
      ['foo', 'x', /Bad header/],
      ['__proto__', 'x', /Bad header/],
      ['constructor', 'x', /Bad header/],
      ['property-', 'x', /Bad header/],
      [`property-${'x'.repeat(256)}`, 'x', /Bad header/],
      ['name', '\xff', /UTF-8/]
    ]
    for (const [name, value, text] of refused) {
      t.throws(
        () => readImageHeaders([`x-image-meta-${name}`, value]),
        { code: 'INVALID_REQUEST', message: text },
        `${name}: ${value.slice(0, 20)}`
      )
    }
    const twice = ['x-image-meta-is_public', 'no', 'X-Image-Meta-Is-Public', 'yes']
    t.throws(() => readImageHeaders(twice), { message: /twice/ })
    try {
      readImageHeaders(['x-image-meta-foo', ''])
    } catch (error) {
      t.ok(isTankError(error))
    }
  }
)

t.test('booleans are what they are in v1', async (t) => {
  for (const text of ['true', 'T', '1', 'YES', 'y', 'On']) t.ok(isTrue(text), text)
  for (const text of ['false', '', '0', '2', 'no', 'rubbish']) t.notOk(isTrue(text), text)
})

t.test('control headers have an older name, too; ours wins', async (t) => {
  const old = { 'x-glance-api-copy-from': 'http://old' }
  t.equal(controlHeader({}, 'api-copy-from'), undefined)
  t.equal(controlHeader(old, 'api-copy-from'), 'http://old')
  const both = { ...old, 'x-tank-api-copy-from': 'http://new' }
  t.equal(controlHeader(both, 'api-copy-from'), 'http://new')
  t.equal(controlHeader({ 'x-glance-registry-purge-props': 'No' }, 'registry-purge-props'), 'No')
})
