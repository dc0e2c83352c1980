import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { collect, imagesOf } from './origin.ts'
import { bytes, failure, images, openWith } from './with-origin.ts'

t.test('sizes, from origins of all manners', async (t) => {
  for (const [ranges, sized, head, size] of [
    [true, true, true, 1000],
    [true, true, false, 1000],
    [true, false, true, 1000],
    [false, true, false, 1000],
    [false, false, true, undefined],
    [false, false, false, undefined]
  ] as const) {
    const { store, key, origin } = await openWith(t, imagesOf(images, { ranges, sized, head }))
    t.strictSame(await store.stat(key), { size }, JSON.stringify({ ranges, sized, head }))
    while (origin.open() > 0) await sleep(5)
  }
})

t.test('an origin that answers HEAD wrongly is asked again', async (t) => {
  for (const status of [400, 403, 405, 500, 501, 204]) {
    const right = imagesOf(images)
    const { store, key } = await openWith(t, (request, response) => {
      if (request.method === 'HEAD') response.writeHead(status).end()
      else right(request, response)
    })
    t.strictSame(await store.stat(key), { size: 1000 }, String(status))
  }
  const { store, key } = await openWith(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'content-length': 0 }).end()
    else imagesOf(images)(request, response)
  })
  t.strictSame(await store.stat(key), { size: 1000 }, 'one that claims to be empty')
})

t.test('an empty image', async (t) => {
  for (const ranges of [true, false]) {
    const { store, key } = await openWith(
      t,
      imagesOf(new Map([['/a.img', Buffer.alloc(0)]]), { ranges })
    )
    t.strictSame(await store.stat(key), { size: 0 })
    const { size, body } = await store.get(key)
    t.equal(size, 0)
    t.equal((await collect(body)).length, 0)
    t.match(await failure(() => store.get(key, { range: { offset: 0, length: 1 } })), /^BAD_RANGE/)
  }
})

t.test('ranges are asked for, and cut out where an origin sends all', async (t) => {
  const range = { offset: 995, length: 3 }
  for (const [ranges, sized] of [
    [true, true],
    [false, true],
    [false, false]
  ] as const) {
    const { store, key, origin } = await openWith(t, imagesOf(images, { ranges, sized }))
    const { size, body } = await store.get(key, { range })
    t.equal(size, sized ? 1000 : undefined)
    t.equal(String(await collect(body)), '567')
    while (origin.open() > 0) await sleep(5)
  }
})

t.test('a range behind an end that nobody knew ends with BAD_RANGE', async (t) => {
  const { store, key } = await openWith(t, imagesOf(images, { ranges: false, sized: false }))
  const { body } = await store.get(key, { range: { offset: 990, length: 20 } })
  t.equal(await failure(() => collect(body)), 'BAD_RANGE')
})

/** Each answer of an origin to `bytes=10-19`, and what the store makes of it. */
const wrong = [
  [206, { 'content-range': 'bytes 0-9/1000' }, 'another range'],
  [206, { 'content-range': 'bytes 9-19/1000' }, 'another range'],
  [206, { 'content-range': 'bytes 10-18/1000' }, 'another range'],
  [206, { 'content-range': 'bytes 10-20/1000' }, 'another range'],
  [206, { 'content-range': 'bytes 10-19/15' }, 'a range that cannot be'],
  [206, { 'content-range': 'bytes 19-10/1000' }, 'a range that cannot be'],
  [206, { 'content-range': `bytes 10-19/${'9'.repeat(20)}` }, 'a size that is no number'],
  [206, { 'content-range': 'lines 10-19/1000' }, 'does not say which range'],
  [206, { 'content-type': 'multipart/byteranges; boundary=x' }, 'does not say which range'],
  [206, {}, 'does not say which range'],
  [206, { 'content-range': 'bytes 10-19/1000', 'content-length': 9 }, 'not as long as it says'],
  [206, { 'content-range': 'bytes 10-19/1000', 'content-encoding': 'gzip' }, 'encoded'],
  [416, { 'content-range': 'bytes */1000' }, 'answered 416'],
  [204, {}, 'answered 204'],
  [203, {}, 'answered 203'],
  [206, { 'content-range': 'bytes 10-14/15' }, 'BAD_RANGE'],
  [416, { 'content-range': 'bytes */15' }, 'BAD_RANGE'],
  [416, {}, 'BAD_RANGE']
] as const

t.test('a range that was not asked for is not taken', async (t) => {
  const sends = (status: number, headers: Record<string, string | number>) =>
    openWith(t, (_request, response) => {
      response.writeHead(status, headers).end(status === 416 ? '' : bytes.subarray(0, 10))
    })
  const range = { offset: 10, length: 10 }
  await Promise.all(
    wrong.map(async ([status, headers, why]) => {
      const { store, key } = await sends(status, headers)
      const said = await failure(() => store.get(key, { range }))
      t.match(said, why === 'BAD_RANGE' ? /^BAD_RANGE$/ : /^UNAVAILABLE: /)
      t.match(said, why, `${status} ${JSON.stringify(headers)}`)
    })
  )
  const { store, key } = await sends(206, { 'content-range': 'bytes 10-19/*' })
  const { size, body } = await store.get(key, { range })
  t.equal(size, undefined)
  t.equal((await collect(body)).length, 10)
  const { store: whole, key: at } = await sends(206, { 'content-range': 'bytes 0-9/1000' })
  t.equal(await failure(() => whole.get(at)), 'UNAVAILABLE: the origin answered 206')
})

t.test('encoded images are refused, not decoded', async (t) => {
  const encodings: readonly Record<string, string>[] = [
    { 'content-encoding': 'gzip' },
    { 'content-encoding': 'br' },
    { 'content-encoding': 'identity, gzip' },
    { 'transfer-encoding': 'gzip, chunked' }
  ]
  await Promise.all(
    encodings.map(async (headers) => {
      const asked: (string | undefined)[] = []
      const { store, key } = await openWith(t, ({ headers: given }, response) => {
        asked.push(String(given['accept-encoding']))
        response.writeHead(200, headers).end(bytes)
      })
      for (const call of [() => store.get(key), () => store.stat(key)]) {
        t.match(await failure(call), /^UNAVAILABLE: the origin sent the image encoded/)
      }
      t.ok(asked.every((each) => each === 'identity'))
    })
  )
  const { store, key } = await openWith(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'identity' }).end(bytes)
  })
  t.ok(bytes.equals(await collect((await store.get(key)).body)))
})
