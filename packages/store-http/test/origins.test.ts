import type { RequestListener, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { isStoreError } from '@tank/store'
import t, { type Test } from 'tap'
import { type HttpStoreOptions, openHttpStore } from '../src/index.ts'
import { collect, imagesOf, openOrigin } from './origin.ts'

const bytes = Buffer.from('0123456789'.repeat(100))
const images = new Map([['/a.img', bytes]])

async function openWith(t: Test, answer: RequestListener, options: HttpStoreOptions = {}) {
  const origin = await openOrigin(t, answer)
  const store = await openHttpStore({
    allowHttp: true,
    ports: [origin.port],
    allow: ['127.0.0.1'],
    openSeconds: 2,
    ...options
  })
  t.teardown(() => store.close())
  return { store, origin, key: `http://127.0.0.1:${origin.port}/a.img` }
}

/** The code of a failure, and why. */
async function failure(run: () => Promise<unknown>): Promise<string> {
  try {
    await run()
  } catch (error) {
    if (!isStoreError(error)) throw error
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : ''
    return `${error.code}${why}`
  }
  throw new Error('it did not fail')
}

/** Writes like this until the reader has gone. */
function drip(response: ServerResponse, chunk: Buffer, everyMs: number): void {
  const timer = setInterval(() => response.write(chunk), everyMs)
  response.on('close', () => clearInterval(timer))
}

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

t.test('a range that was not asked for is not taken', async (t) => {
  const sends = (status: number, headers: Record<string, string | number>) =>
    openWith(
      t,
      (_request, response) => {
        response.writeHead(status, headers).end(status === 416 ? '' : bytes.subarray(0, 10))
      },
      { openSeconds: 0.1 }
    )
  const range = { offset: 10, length: 10 }
  const other = 'UNAVAILABLE: the origin sent another range'
  for (const [status, headers, why] of [
    [206, { 'content-range': 'bytes 0-9/1000' }, other],
    [206, { 'content-range': 'bytes 10-18/1000' }, other],
    [206, { 'content-range': 'bytes 10-20/1000' }, other],
    [206, { 'content-range': 'bytes 10-14/15' }, 'BAD_RANGE'],
    [
      206,
      { 'content-range': 'bytes 10-19/15' },
      'UNAVAILABLE: the origin sent a range that cannot be'
    ],
    [
      206,
      { 'content-range': 'bytes 19-10/1000' },
      'UNAVAILABLE: the origin sent a range that cannot be'
    ],
    [206, {}, 'UNAVAILABLE: the origin does not say which range it sent'],
    [
      206,
      { 'content-range': 'lines 10-19/1000' },
      'UNAVAILABLE: the origin does not say which range it sent'
    ],
    [
      206,
      { 'content-type': 'multipart/byteranges; boundary=x' },
      'UNAVAILABLE: the origin does not say which range it sent'
    ],
    [
      206,
      { 'content-range': 'bytes 10-19/99999999999999999999' },
      'UNAVAILABLE: the origin said a size that is no number'
    ],
    [
      206,
      { 'content-range': 'bytes 10-19/1000', 'content-length': 9 },
      'UNAVAILABLE: the range is not as long as it says'
    ],
    [
      206,
      { 'content-range': 'bytes 10-19/1000', 'content-encoding': 'gzip' },
      'UNAVAILABLE: the origin sent the image encoded'
    ],
    [416, { 'content-range': 'bytes */15' }, 'BAD_RANGE'],
    [416, {}, 'BAD_RANGE'],
    [416, { 'content-range': 'bytes */1000' }, 'UNAVAILABLE: the origin answered 416'],
    [204, {}, 'UNAVAILABLE: the origin answered 204'],
    [203, {}, 'UNAVAILABLE: the origin answered 203']
  ] as const) {
    const { store, key } = await sends(status, headers)
    const label = `${status} ${JSON.stringify(headers)}`
    t.equal(await failure(() => store.get(key, { range })), why, label)
  }
  const { store, key } = await sends(206, { 'content-range': 'bytes 10-19/*' })
  const { size, body } = await store.get(key, { range })
  t.equal(size, undefined)
  t.equal((await collect(body)).length, 10)
  const { store: whole, key: at } = await sends(206, { 'content-range': 'bytes 0-9/1000' })
  t.equal(await failure(() => whole.get(at)), 'UNAVAILABLE: the origin answered 206')
})

t.test('encoded images are refused, not decoded', async (t) => {
  for (const headers of [
    { 'content-encoding': 'gzip' },
    { 'content-encoding': 'br' },
    { 'content-encoding': 'identity, gzip' },
    { 'transfer-encoding': 'gzip, chunked' }
  ]) {
    const asked: (string | undefined)[] = []
    const { store, key } = await openWith(
      t,
      ({ headers: given }, response) => {
        asked.push(String(given['accept-encoding']))
        response.writeHead(200, headers as Record<string, string>).end(bytes)
      },
      { openSeconds: 0.1 }
    )
    t.match(await failure(() => store.get(key)), /^UNAVAILABLE/, JSON.stringify(headers))
    t.match(await failure(() => store.stat(key)), /^UNAVAILABLE/, JSON.stringify(headers))
    t.ok(asked.every((each) => each === 'identity'))
  }
  const { store, key } = await openWith(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'identity' }).end(bytes)
  })
  t.ok(bytes.equals(await collect((await store.get(key)).body)))
})

t.test('a body that is cut short ends with an error', async (t) => {
  const cut: Record<string, RequestListener> = {
    'less than its length': (_request, response) => {
      response.writeHead(200, { 'content-length': 1000 })
      response.write(bytes.subarray(0, 500), () => response.destroy())
    },
    'chunks without an end': (_request, response) => {
      response.write(bytes.subarray(0, 500), () => response.destroy())
    },
    'a range': (_request, response) => {
      const headers = { 'content-range': 'bytes 0-999/1000', 'content-length': 1000 }
      response.writeHead(206, headers).write(bytes.subarray(0, 500), () => response.destroy())
    },
    'a range in chunks': (_request, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-999/1000' }).end(bytes.subarray(0, 500))
    }
  }
  for (const [name, answer] of Object.entries(cut)) {
    const { store, key } = await openWith(t, answer)
    const range = name.startsWith('a range') ? { offset: 0, length: 1000 } : undefined
    const { body } = await store.get(key, { range })
    t.match(await failure(() => collect(body)), /^UNAVAILABLE/, name)
  }
})

t.test('S-06 more than the largest image is not read', async (t) => {
  const options = { maxBytes: 100_000 }
  const big = new Map([['/a.img', Buffer.alloc(100_001)]])
  const sized = await openWith(t, imagesOf(big), options)
  for (const run of [
    () => sized.store.stat(sized.key),
    () => sized.store.get(sized.key),
    () => sized.store.get(sized.key, { range: { offset: 0, length: 10 } })
  ]) {
    t.equal(await failure(run), 'TOO_LARGE')
  }
  const endless = await openWith(t, (_request, response) => drip(response, bytes, 0), options)
  let taken = 0
  const { body } = await endless.store.get(endless.key)
  body.on('data', (chunk: Buffer) => {
    taken += chunk.length
  })
  const why = await failure(() => new Promise((_resolve, reject) => body.on('error', reject)))
  t.equal(why, 'TOO_LARGE')
  t.ok(taken <= 100_000)
  const far = { range: { offset: 99_999, length: 2 } }
  t.equal(await failure(() => endless.store.get(endless.key, far)), 'TOO_LARGE')
  while (endless.origin.open() > 0) await sleep(5)
})

t.test('an origin that is slow, silent or without end is left', async (t) => {
  const fast = { stallSeconds: 60, minBytesPerSecond: 0 }
  const behind = { offset: 1_000_000_000, length: 1 }
  for (const [why, options, everyMs, range] of [
    ['the origin has stopped sending', { stallSeconds: 0.1 }, 60_000, undefined],
    ['the origin sends too slowly', { stallSeconds: 0.2 }, 20, undefined],
    ['the transfer took too long', { ...fast, totalSeconds: 0.2 }, 20, undefined],
    [
      'the origin sends no ranges, and the way to this one is too long',
      { ...fast, skipSeconds: 0.2 },
      20,
      behind
    ],
    ['the origin has stopped sending', { stallSeconds: 0.1 }, 60_000, behind]
  ] as const) {
    const { store, key, origin } = await openWith(
      t,
      (_request, response) => {
        response.write('start')
        drip(response, Buffer.from('drip'), everyMs)
      },
      options
    )
    const { body } = await store.get(key, { range })
    t.equal(await failure(() => collect(body)), `UNAVAILABLE: ${why}`)
    while (origin.open() > 0) await sleep(5)
  }
})

t.test('headers that never end', async (t) => {
  const { store, key } = await openWith(
    t,
    ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => socket.write('x: y\r\n'), 10)
      socket.on('close', () => clearInterval(timer))
    },
    { openSeconds: 0.3 }
  )
  t.equal(await failure(() => store.get(key)), 'UNAVAILABLE: no answer in time')
  const { store: full, key: at } = await openWith(
    t,
    ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(17 * 1024)}\r\n\r\n`)
    },
    { openSeconds: 0.3 }
  )
  t.match(await failure(() => full.get(at)), /^UNAVAILABLE: .*Header/)
})

t.test('S-35 a reader who takes his time is no fault of the origin', async (t) => {
  const large = Buffer.alloc(8 * 1024 * 1024, 7)
  const { store, key } = await openWith(t, imagesOf(new Map([['/a.img', large]])), {
    stallSeconds: 0.3
  })
  const { body } = await store.get(key)
  await sleep(500)
  let taken = 0
  for await (const chunk of body) {
    taken += chunk.length
    if (taken < 1_000_000) await sleep(400)
  }
  t.equal(taken, large.length)
})

t.test('a body that is destroyed, or aborted, ends its connection', async (t) => {
  const { store, key, origin } = await openWith(t, (_request, response) => drip(response, bytes, 5))
  const first: Readable = (await store.get(key)).body
  await new Promise((resolve) => first.once('readable', resolve))
  first.destroy()
  const control = new AbortController()
  const { body } = await store.get(key, { signal: control.signal })
  const reason = new Error('enough')
  const read = collect(body)
  control.abort(reason)
  await t.rejects(read, reason)
  const unread = new AbortController()
  const { body: third } = await store.get(key, { signal: unread.signal })
  third.on('error', () => {})
  unread.abort(reason)
  while (origin.open() > 0) await sleep(5)
})
