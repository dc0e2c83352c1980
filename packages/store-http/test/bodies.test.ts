import type { RequestListener } from 'node:http'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { collect, imagesOf } from './origin.ts'
import { bytes, drip, failure, openWith } from './with-origin.ts'

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
    ['the origin sends too slowly', { stallSeconds: 0.5 }, 20, undefined],
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
    { openSeconds: 1 }
  )
  t.equal(await failure(() => store.get(key)), 'UNAVAILABLE: no answer in time')
  const { store: full, key: at } = await openWith(
    t,
    ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(17 * 1024)}\r\n\r\n`)
    },
    { openSeconds: 1 }
  )
  t.match(await failure(() => full.get(at)), /^UNAVAILABLE: .*Header/)
})

t.test('S-35 a reader who takes his time is no fault of the origin', async (t) => {
  const large = Buffer.alloc(8 * 1024 * 1024, 7)
  const { store, key } = await openWith(t, imagesOf(new Map([['/a.img', large]])), {
    stallSeconds: 0.5
  })
  const { body } = await store.get(key)
  await sleep(600)
  let taken = 0
  for await (const chunk of body) {
    if (taken === 0) await sleep(600)
    taken += chunk.length
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
