import { TankError, type TankErrorCode } from '@tank/model'
import t from 'tap'
import { notModified, rangeAllowed } from '../src/download/conditional.ts'
import { parseContentRange, parseRange } from '../src/download/range.ts'
import { v2ErrorBody } from '../src/http/v2-errors.ts'
import { advertisedMinors, routeTarget } from '../src/http/version-document.ts'
import { roleSet } from '../src/identity/caller.ts'
import { patchDialect, readPatch } from '../src/images/json-patch.ts'
import { pageTail } from '../src/routes/v2/page-links.ts'

function codeOf(run: () => unknown): TankErrorCode | 'none' {
  try {
    run()
    return 'none'
  } catch (error) {
    if (error instanceof TankError) return error.code
    throw error
  }
}

t.test('DWN4, DWN5: one range of bytes, clamped to the end', async (t) => {
  t.same(parseRange('bytes=0-4', 10), { offset: 0, length: 5 })
  t.same(parseRange('bytes=5-', 10), { offset: 5, length: 5 })
  t.same(parseRange('bytes=-3', 10), { offset: 7, length: 3 })
  t.same(parseRange('bytes=0-', 10), { offset: 0, length: 10 })
  t.same(parseRange('bytes=8-100', 10), { offset: 8, length: 2 })
  t.same(parseRange('bytes=-100', 10), { offset: 0, length: 10 })
})

t.test('DWN6, B7, B8: ranges that cannot be had', async (t) => {
  for (const header of [
    'bytes=10-12',
    'bytes=5-2',
    'bytes=',
    'bytes=1',
    'bytes=-0',
    'bytes=x-y',
    'lines=1-2',
    'bytes=99999999999999999999-'
  ]) {
    t.equal(
      codeOf(() => parseRange(header, 10)),
      'RANGE_NOT_SATISFIABLE',
      header
    )
  }
  t.equal(
    codeOf(() => parseRange('bytes=0-1,3-4', 10)),
    'INVALID_REQUEST'
  )
  t.equal(
    codeOf(() => parseRange('bytes=0-', 0)),
    'RANGE_NOT_SATISFIABLE'
  )
})

t.test('B9: the Content-Range request header of old clients', async (t) => {
  t.same(parseContentRange('bytes 2-4/10', 10), { offset: 2, length: 3 })
  t.same(parseContentRange('bytes 2-4/*', 10), { offset: 2, length: 3 })
  for (const header of ['bytes 2-4/11', 'bytes 4-2/10', 'bytes */10', '2-4'])
    t.equal(
      codeOf(() => parseContentRange(header, 10)),
      'RANGE_NOT_SATISFIABLE',
      header
    )
})

t.test('conditional requests compare the strong ETag first', async (t) => {
  const validators = { etag: '"abc"', lastModified: new Date('2026-01-02T03:04:05.600Z') }
  t.ok(notModified({ 'if-none-match': '"x", W/"abc"' }, validators))
  t.ok(notModified({ 'if-none-match': '*' }, validators))
  t.notOk(
    notModified(
      { 'if-none-match': '"x"', 'if-modified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' },
      validators
    )
  )
  t.ok(notModified({ 'if-modified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' }, validators))
  t.notOk(notModified({ 'if-modified-since': 'Fri, 02 Jan 2026 03:04:04 GMT' }, validators))
  t.ok(rangeAllowed({}, validators))
  t.ok(rangeAllowed({ 'if-range': '"abc"' }, validators))
  t.notOk(rangeAllowed({ 'if-range': 'W/"abc"' }, validators))
  t.notOk(rangeAllowed({ 'if-range': '"other"' }, validators))
})

t.test('V1-V5: every target finds its way', async (t) => {
  const minors = advertisedMinors({ stores: true, copyImage: true, cache: false })
  const to = (target: string, accept?: string) => routeTarget(target, accept, { minors, v1: false })
  t.equal(to('/v2/images?limit=1'), '/v2/images?limit=1')
  t.equal(to('/v2.7/images'), '/v2/images')
  t.equal(to('/v2.99/images'), '/')
  t.equal(to('/v2'), '/')
  t.equal(to('/v2/'), '/')
  t.equal(to('/v2.0/'), '/')
  t.equal(to('/v1/images'), '/')
  t.equal(to('/v10'), '/')
  t.equal(to('/va.1/images'), '/')
  t.equal(to('/foo'), '/')
  t.equal(to('/versions'), '/versions')
  t.equal(to('/healthcheck'), '/healthcheck')
  t.equal(to('/images', 'application/vnd.openstack.images-v2.5'), '/v2/images')
  t.equal(to('/images', 'application/vnd.openstack.images-v2.99'), '/')
})

t.test('targets of v1', async (t) => {
  const minors = advertisedMinors({ stores: true, copyImage: true, cache: false })
  const to = (target: string, accept?: string) => routeTarget(target, accept, { minors, v1: true })
  await t.test('V1-45: v1, v1.0 and v1.1 are the same', async (t) => {
    t.equal(to('/v1/images?limit=1'), '/v1/images?limit=1')
    t.equal(to('/v1.0/images'), '/v1/images')
    t.equal(to('/v1.1/images/detail?a=b'), '/v1/images/detail?a=b')
    for (const path of ['/v1', '/v1.0', '/v1.1']) t.equal(to(path), '/v1')
    t.equal(to('/v1/'), '/v1/')
    t.equal(to('/v1?limit=1'), '/v1?limit=1')
  })
  await t.test('V1-46, V1-40, V1-39: what is no version', async (t) => {
    for (const path of ['/v1.a/images', '/v1.2/images', '/v10', '/v1a', '/images', '/', '/v3/x'])
      t.equal(to(path), '/', path)
  })
  await t.test('V1-42, V1-43, V1-41: the version by Accept', async (t) => {
    for (const vendor of ['x7', 'openstack'])
      for (const version of ['v1', 'v1.0', 'v1.1', 'v1;q=1'])
        t.equal(to('/images', `application/vnd.${vendor}.images-${version}`), '/v1/images')
    t.equal(to('/', 'application/vnd.x7.images-v1'), '/v1/')
    for (const accept of [
      'application/vnd.openstack.compute-v1',
      'application/vnd.x7.images-v10',
      'application/vnd.x7.images-v1.2',
      'application/vnd.x7.images-v1.01',
      'application/vnd.x7.images-va',
      'application/xml'
    ])
      t.equal(to('/images', accept), '/', accept)
  })
  await t.test('the path decides, whatever Accept says', async (t) => {
    const [v1, v2] = ['application/vnd.x7.images-v1', 'application/vnd.openstack.images-v2.3']
    t.equal(to('/v2/images', v1), '/v2/images')
    t.equal(to('/v2.3/images', v1), '/v2/images')
    t.equal(to('/v1/images', v2), '/v1/images')
    t.equal(to('/v1.2/images', v1), '/')
    t.equal(to('/versions', v1), '/versions')
    t.equal(to('*', v1), '/')
  })
  await t.test('V1-47: v1 can be off', async (t) => {
    const off = (target: string, accept?: string) =>
      routeTarget(target, accept, { minors, v1: false })
    for (const path of ['/v1', '/v1/images', '/v1.1/images']) t.equal(off(path), '/', path)
    t.equal(off('/images', 'application/vnd.x7.images-v1'), '/')
  })
})

t.test('PAT14, PAT15, PAT5: pointers and operations that are no patch', async (t) => {
  const read = (path: string) => () => readPatch([{ op: 'add', path, value: 'v' }], 'v2.1')
  for (const path of ['x', '/x/', '//x/y', '/x//y', '/a~2b', '/', '', '/tags/-', '/foo/bar'])
    t.equal(codeOf(read(path)), 'INVALID_REQUEST', path)
  t.equal(readPatch([{ op: 'add', path: '/a~1b~0c', value: 'v' }], 'v2.1')[0]?.name, 'a/b~c')
  for (const body of [
    {},
    ['x'],
    [null],
    [{ path: '/a', value: '1' }],
    [{ op: 'copy', path: '/a', from: '/b' }],
    [{ op: 'test', path: '/a', value: '1' }],
    [{ op: 'add', value: '1' }],
    [{ op: 'add', path: '/a' }]
  ]) {
    t.equal(
      codeOf(() => readPatch(body, 'v2.1')),
      'INVALID_REQUEST',
      JSON.stringify(body)
    )
  }
  t.equal(
    codeOf(() => readPatch([{ add: '/a', remove: '/a', value: '1' }], 'v2.0')),
    'INVALID_REQUEST'
  )
})

t.test('S-43: hostile pointers and long patches', async (t) => {
  for (const path of ['/__proto__/x', '/constructor/prototype/x', '/tags/1000000000'])
    t.equal(
      codeOf(() => readPatch([{ op: 'add', path, value: 'x' }], 'v2.1')),
      'INVALID_REQUEST',
      path
    )
  const many = Array.from({ length: 10_000 }, () => ({ op: 'add', path: '/a', value: 'x' }))
  t.equal(
    codeOf(() => readPatch(many, 'v2.1')),
    'LIMIT_EXCEEDED'
  )
  t.equal(({} as Record<string, unknown>).x, undefined, 'no prototype was touched')
})

t.test('PAT6, PAT7, PAT9: names that cannot be written', async (t) => {
  for (const op of ['add', 'replace', 'remove']) {
    for (const name of ['id', 'status', 'size', 'self', 'stores', 'os_glance_x', 'deleted'])
      t.equal(
        codeOf(() => readPatch([{ op, path: `/${name}`, value: 'x' }], 'v2.1')),
        'FORBIDDEN',
        `${op} ${name}`
      )
  }
  t.equal(
    codeOf(() => readPatch([{ op: 'remove', path: '/name' }], 'v2.1')),
    'FORBIDDEN'
  )
})

t.test('PAT4: only the two dialects are taken', async (t) => {
  t.equal(patchDialect('application/openstack-images-v2.1-json-patch; charset=utf-8'), 'v2.1')
  t.equal(patchDialect('application/openstack-images-v2.0-json-patch'), 'v2.0')
  for (const type of [
    undefined,
    '',
    'application/json',
    '__proto__',
    'application/json-patch+json'
  ])
    t.equal(
      codeOf(() => patchDialect(type)),
      'UNSUPPORTED_MEDIA_TYPE'
    )
})

t.test('L4: links keep every parameter but the marker', async (t) => {
  const links = (query: string, next?: string) =>
    JSON.parse(`{${pageTail(query, next).toString().slice(1)}`) as Record<string, string>
  t.same(links(''), { first: '/v2/images', schema: '/v2/schemas/images' })
  t.same(links('tag=a&tag=b%20c&marker=x&limit=2', 'y'), {
    first: '/v2/images?tag=a&tag=b%20c&limit=2',
    schema: '/v2/schemas/images',
    next: '/v2/images?tag=a&tag=b%20c&limit=2&marker=y'
  })
  t.equal(links('name="<x>', 'y').first, '/v2/images?name=%22%3Cx%3E')
})

t.test('E1-E3: error bodies by what the client accepts', async (t) => {
  const json = v2ErrorBody(404, 'no "such" thing', undefined)
  t.equal(json.type, 'application/json')
  t.same(JSON.parse(json.body), {
    error: { code: 404, title: 'Not Found', message: 'no "such" thing' }
  })
  t.equal(v2ErrorBody(404, 'x', '*/*').type, 'application/json')
  const html = v2ErrorBody(404, '<script>', 'text/html,application/xhtml+xml')
  t.equal(html.type, 'text/html; charset=utf-8')
  t.match(html.body, '&lt;script&gt;')
  t.match(v2ErrorBody(404, 'x', 'text/plain').body, /^404 Not Found\n\nx/)
})

t.test('VS6: roles in any letter case, with what they imply', async (t) => {
  t.same([...roleSet(['Admin'])].sort(), ['admin', 'member', 'reader'])
  t.same([...roleSet([' member ', ''])].sort(), ['member', 'reader'])
  t.same([...roleSet(['other'])], ['other'])
  t.same([...roleSet(['__proto__', 'constructor'])], ['__proto__', 'constructor'])
})
