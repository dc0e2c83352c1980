import { request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'
import t from 'tap'
import { MiB, pattern, patternDigest } from '../src/bytes.ts'
import { patience, startAlone, startCluster } from '../src/cluster.ts'
import { waitForBytes } from '../src/folder.ts'
import { type Answer, request } from '../src/http.ts'
import { testWith } from '../src/require.ts'
import { missingMounts, smallDisk } from '../src/small-disk.ts'

t.setTimeout(600_000)

await t.test('uploads against each other, against limits and against deletion', async (t) => {
  const { tank, images, store } = await startAlone(t, { imageSizeCap: 64 * MiB })

  await t.test('UPL9 two uploads at once: one wins, the other is told', async (t) => {
    const { id } = await images.create()
    const size = 16 * MiB
    const answers = await Promise.all(
      [1, 2].map((seed) => images.upload(id, pattern({ size, seed, pauseMs: 30 })))
    )
    t.same(answers.map((answer) => answer.status).sort(), [204, 409])
    const winner = answers.findIndex((answer) => answer.status === 204) + 1
    t.match(await images.download(id), { size, sha256: patternDigest(size, winner) })
    await images.delete(id)
    await waitForBytes(store, 0, patience)
  })

  await t.test('UPL14 while data flows the image is saving and has none', async (t) => {
    const { id } = await images.create()
    let seen: { status: string; data: number } | undefined
    const put = await images.upload(
      id,
      pattern({
        size: 8 * MiB,
        async onBlock(index) {
          if (index !== 5) return
          // the first MiBs may wait in socket buffers for the upload to begin
          await images.waitFor(id, 'saving', 10_000)
          const data = await images.call('GET', `/v2/images/${id}/file`)
          seen = { status: (await images.show(id)).status, data: data.status }
        }
      })
    )
    t.equal(put.status, 204)
    t.same(seen, { status: 'saving', data: 204 })
    await images.delete(id)
    await waitForBytes(store, 0, patience)
  })

  await t.test('UPL8 a client that goes away at half of it', async (t) => {
    for (const length of [undefined, 32 * MiB]) {
      const { id } = await images.create()
      const controller = new AbortController()
      const upload = images.upload(
        id,
        pattern({
          size: 32 * MiB,
          pauseMs: 5,
          onBlock(index) {
            if (index === 16) controller.abort()
          }
        }),
        { signal: controller.signal, ...(length === undefined ? {} : { length }) }
      )
      await t.rejects(upload)
      await images.waitFor(id, 'queued', 5000)
      await waitForBytes(store, 0, patience)
      t.equal((await images.upload(id, pattern({ size: MiB }))).status, 204, 'a second try works')
      t.match(await images.download(id), { size: MiB, sha256: patternDigest(MiB) })
      await images.delete(id)
    }
    await waitForBytes(store, 0, patience)
  })

  await t.test('S-06 UPL10 a declared size that is not true', async (t) => {
    const { id } = await images.create()
    const send = (headers: object, bytes: number) =>
      request(`${tank.url}/v2/images/${id}/file`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream', ...headers },
        body: pattern({ size: bytes })
      })
    for (const [declared, bytes] of [
      [MiB, MiB + 1],
      [MiB, MiB - 1],
      [MiB, 8 * MiB],
      [0, 1]
    ] as const) {
      const answer = await send({ 'x-openstack-image-size': declared }, bytes)
      t.equal(answer.status, 400, `${declared} declared, ${bytes} sent`)
      t.equal((await images.show(id)).status, 'queued')
    }
    t.equal((await send({ 'x-openstack-image-size': 'abc' }, 1)).status, 400)
    await waitForBytes(store, 0, patience)
    const right = await send({ 'x-openstack-image-size': MiB }, MiB)
    t.equal(right.status, 204)
    await images.delete(id)
  })

  await t.test('S-06 UPL7 more than the cap', async (t) => {
    const { id } = await images.create()
    const size = 64 * MiB + 1
    for (const options of [{}, { length: size }, { length: 2 ** 40 }]) {
      const answer = await images.upload(id, pattern({ size }), options)
      t.equal(answer.status, 413, JSON.stringify(options))
      t.equal((await images.show(id)).status, 'queued')
    }
    await waitForBytes(store, 0, patience)
    const exactly = await images.upload(id, pattern({ size: size - 1 }))
    t.equal(exactly.status, 204, 'exactly the cap is taken')
    await images.delete(id)
    await waitForBytes(store, 0, patience)
  })

  await t.test('S-08 DEL5 deletion at 20 moments of an upload', async (t) => {
    for (let moment = 0; moment < 20; moment++) {
      const { id } = await images.create()
      let deletion: Promise<Answer> | undefined
      const upload = images
        .upload(
          id,
          pattern({
            size: 20 * MiB,
            seed: moment,
            async onBlock(index) {
              if (index !== moment + 1) return
              // the uploader may be told before the deleter is
              deletion = images.delete(id)
              await deletion
            }
          }),
          moment % 2 === 0 ? {} : { length: 20 * MiB }
        )
        .then(
          (answer) => answer.status,
          () => 0
        )
      const status = await upload
      // bodies that are not read any more are not pulled either: then nothing was deleted yet
      deletion ??= images.delete(id)
      t.equal((await deletion).status, 204, `deleted after ${moment + 1} MiB`)
      t.ok([0, 404, 410].includes(status), `the uploader is told: ${status}`)
      t.equal((await images.call('GET', `/v2/images/${id}`)).status, 404)
    }
    await waitForBytes(store, 0, patience)
  })

  await t.test('UPL13 refusals are readable in the middle of a large body', async (t) => {
    const { id } = await images.create()
    t.equal((await images.upload(id, pattern({ size: MiB }))).status, 204)
    const taken = await images.upload(id, pattern({ size: 100 * MiB }))
    t.equal(taken.status, 409)
    t.ok(taken.body.length > 0, 'with a text')
    const wrongType = await request(`${tank.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'content-type': 'text/plain' },
      body: pattern({ size: 100 * MiB })
    })
    t.equal(wrongType.status, 415)
    t.match(await images.download(id), { size: MiB, sha256: patternDigest(MiB) })
    await images.delete(id)
  })

  await t.test('HTP8 Expect: 100-continue', async (t) => {
    const { id } = await images.create()
    const ask = (size: number) =>
      new Promise<{ continued: boolean; status: number }>((resolve, reject) => {
        let continued = false
        const call = httpRequest(`${tank.url}/v2/images/${id}/file`, {
          method: 'PUT',
          agent: false,
          headers: {
            'content-type': 'application/octet-stream',
            'content-length': size,
            expect: '100-continue'
          }
        })
        call.on('continue', () => {
          continued = true
          pattern({ size }).pipe(call)
        })
        call.on('error', reject)
        call.on('response', (response) => {
          response.resume()
          resolve({ continued, status: response.statusCode ?? 0 })
          if (!continued) call.destroy()
        })
        call.flushHeaders()
      })
    t.same(await ask(2 ** 41), { continued: false, status: 413 }, 'refused before a byte')
    t.same(await ask(3 * MiB), { continued: true, status: 204 })
    t.same(await ask(3 * MiB), { continued: false, status: 409 })
    await images.delete(id)
  })
})

await testWith(t, 'a disk that fills up', [missingMounts()], async (t) => {
  const disk = await smallDisk(t, 24)
  const { images, store } = await startCluster(t, { apis: 1, store: disk })
  const [api] = images
  if (api === undefined) throw new Error('no cluster')
  const { id } = await api.create()
  for (const options of [{}, { length: 48 * MiB }]) {
    const answer = await api.upload(id, pattern({ size: 48 * MiB }), options)
    t.equal(answer.status, 413, JSON.stringify(options), { answer: answer.body.toString() })
    await api.waitFor(id, 'queued', 5000)
    await waitForBytes(store, 0, patience)
  }
  t.equal((await api.upload(id, pattern({ size: 8 * MiB }))).status, 204, 'what fits is taken')
  t.match(await api.download(id), { size: 8 * MiB, sha256: patternDigest(8 * MiB) })
})

await t.test('two registries and two APIs over one database and one store', async (t) => {
  const { images, registries, store } = await startCluster(t, { registries: 2, apis: 2 })
  const [a, b] = images
  if (!a || !b) throw new Error('no cluster')
  const { id } = await a.create({ tags: ['first'] })
  t.match(await b.show(id), { id, status: 'queued' })
  const size = 24 * MiB
  t.equal((await b.upload(id, pattern({ size }))).status, 204)
  t.match(await a.download(id), { status: 200, size, sha256: patternDigest(size) })

  await t.test('deleted through one, gone for both', async (t) => {
    t.equal((await a.delete(id)).status, 204)
    t.equal((await b.call('GET', `/v2/images/${id}`)).status, 404)
    t.equal((await b.call('GET', `/v2/images/${id}/file`)).status, 404)
    await waitForBytes(store, 0, patience)
  })

  await t.test('two uploads through two APIs', async (t) => {
    const { id } = await a.create()
    const answers = await Promise.all([
      a.upload(id, pattern({ size, seed: 1, pauseMs: 20 })),
      b.upload(id, pattern({ size, seed: 2, pauseMs: 20 }))
    ])
    t.same(answers.map((answer) => answer.status).sort(), [204, 409])
    const winner = answers.findIndex((answer) => answer.status === 204) + 1
    for (const api of [a, b]) {
      t.match(await api.download(id), { sha256: patternDigest(size, winner) })
    }
    await a.delete(id)
    await waitForBytes(store, 0, patience)
  })

  await t.test('deletion through the other API ends an upload', async (t) => {
    const { id } = await a.create()
    let deletion: Promise<Answer> | undefined
    const began = Date.now()
    const status = await a
      .upload(
        id,
        pattern({
          size: 1024 * MiB,
          pauseMs: 50,
          async onBlock(index) {
            if (index !== 8) return
            deletion = b.delete(id)
            await deletion
          }
        })
      )
      .then(
        (answer) => answer.status,
        () => 0
      )
    t.equal((await deletion)?.status, 204)
    t.ok([0, 404, 410].includes(status), `the uploader is told: ${status}`)
    t.ok(Date.now() - began < 15_000, 'at the next heartbeat')
    await waitForBytes(store, 0, patience)
  })

  await t.test('100 patches at once through both: none is lost', async (t) => {
    const { id } = await a.create()
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        (n % 2 === 0 ? a : b).patch(id, [{ op: 'add', path: `/p${n}`, value: `${n}` }])
      )
    )
    const failed = answers.filter((answer) => answer.status !== 200)
    t.same(
      failed.map((answer) => `${answer.status} ${answer.body}`),
      [],
      'every patch is confirmed'
    )
    const image = await a.show(id)
    for (let n = 0; n < 100; n++) t.equal(image[`p${n}`], `${n}`, `p${n}`)
  })

  await t.test('a registry is killed in the middle of an upload', async (t) => {
    const { id } = await a.create()
    const size = 60 * MiB
    let killed: Promise<void> | undefined
    const put = await a.upload(
      id,
      pattern({
        size,
        pauseMs: 50,
        onBlock(index) {
          if (index === 20) killed = registries[0]?.kill()
        }
      })
    )
    await killed
    t.equal(put.status, 204, 'an upload survives it', { answer: put.body.toString() })
    for (const api of [a, b]) {
      t.match(await api.download(id), { size, sha256: patternDigest(size) })
      const { id: other } = await api.create()
      t.equal((await api.patch(other, [{ op: 'add', path: '/x', value: 'y' }])).status, 200)
      t.equal((await api.upload(other, Readable.from([Buffer.from('abc')]))).status, 204)
      t.equal((await api.delete(other)).status, 204)
    }
    t.equal((await b.delete(id)).status, 204)
    await waitForBytes(store, 0, patience)
  })
})
