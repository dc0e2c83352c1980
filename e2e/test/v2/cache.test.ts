import { createHash, randomBytes, randomUUID } from 'node:crypto'
import {
  link,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FakeStore } from '../../src/fake-store.ts'
import { type Download, download, request } from '../../src/http.ts'
import { ADMIN, identityHeaders, openStack, P1, P2, type Stack } from '../../src/stack.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(120_000)

const KIB = 1024
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

interface Node {
  readonly stack: Stack
  readonly store: FakeStore
  readonly dir: string
}

async function open(t: Test, cache: object = {}): Promise<Node> {
  const dir = await mkdtemp(join(tmpdir(), 'tank-cache-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const store = new FakeStore()
  const stack = await openStack({
    api: {
      stores: { far: { use: 'far' }, near: { use: 'fs', root: join(dir, 'near') } },
      defaultStore: 'far',
      cache: { dir: join(dir, 'cache'), ...cache },
      transfers: { storeSeconds: 2, storePauseSeconds: 0 }
    },
    plugins: { far: store.plugin() }
  })
  t.teardown(() => stack.close())
  return { stack, store, dir: join(dir, 'cache') }
}

async function active(stack: Stack, bytes: Buffer, headers = {}): Promise<string> {
  const { id } = await stack.create(P1)
  const { status } = await stack.upload(P1, id, bytes, headers)
  if (status !== 204) throw new Error(`upload: ${status}`)
  return id
}

const list = async (stack: Stack) => (await stack.json(ADMIN, 'GET', '/v2/cache')).body
const entry = async (stack: Stack, id: string) =>
  (await list(stack)).cached_images.find((each: { image_id: string }) => each.image_id === id)
const get = (stack: Stack, id: string, headers = {}, who = P1) =>
  stack.call(who, 'GET', `/v2/images/${id}/file`, { headers })
const fetched = (url: string, id: string): Promise<Download> =>
  download(`${url}/v2/images/${id}/file`, identityHeaders(P1))
const names = (dir: string, folder: string) => readdir(join(dir, folder)).catch(() => [])

const cached = (stack: Stack, id: string) =>
  until(`${id} is cached`, 10_000, async () => await entry(stack, id))

t.test('an image in a remote store is read once, then comes from the cache', async (t) => {
  const { stack, store, dir } = await open(t)
  const bytes = randomBytes(300 * KIB + 17)
  const id = await active(stack, bytes)

  await t.test('K9: the first download fills it', async (t) => {
    const answer = await get(stack, id)
    t.equal(answer.status, 200)
    t.ok(answer.body.equals(bytes))
    t.match(await cached(stack, id), { image_id: id, size: bytes.length, hits: 0 })
    t.equal(store.gets, 1)
  })

  await t.test('CCH5, K2: later ones are hits and do not ask the store', async (t) => {
    for (let n = 0; n < 3; n++) t.ok((await get(stack, id)).body.equals(bytes))
    t.equal(store.gets, 1)
    const { hits, last_accessed, last_modified } = await entry(stack, id)
    t.equal(hits, 3)
    t.ok(last_accessed > 0 && last_modified > 0)
    t.ok(Math.abs(last_accessed - Date.now() / 1000) < 3600, 'seconds since 1970')
  })

  await t.test('K9: it answers ranges and conditions as the store does', async (t) => {
    const part = await get(stack, id, { range: 'bytes=1000-200999' })
    t.equal(part.status, 206)
    t.ok(part.body.equals(bytes.subarray(1000, 201_000)))
    t.equal(part.headers['content-range'], `bytes 1000-200999/${bytes.length}`)
    const tail = await get(stack, id, { range: 'bytes=-5' })
    t.ok(tail.body.equals(bytes.subarray(-5)))
    t.equal((await get(stack, id, { range: `bytes=${bytes.length}-` })).status, 416)
    t.equal((await get(stack, id, { 'if-none-match': `"${sha256(bytes)}"` })).status, 304)
    t.equal(store.gets, 1)
    const whole = await get(stack, id)
    await stack.json(ADMIN, 'DELETE', `/v2/cache/${id}`)
    const {
      date,
      'x-openstack-request-id': requestId,
      ...fromStore
    } = (await get(stack, id)).headers
    t.match(whole.headers, fromStore)
    await cached(stack, id)
  })

  await t.test('S-26: files have ids for names and are for nobody else', async (t) => {
    t.same(await names(dir, 'images'), [`${id}.${sha256(bytes)}`])
    t.same(await names(dir, 'parts'), [])
    t.same(await names(dir, 'filling'), [])
    for (const folder of ['images', 'hits']) {
      t.equal((await stat(join(dir, folder))).mode & 0o777, 0o700)
      for (const name of await names(dir, folder)) {
        t.equal((await stat(join(dir, folder, name))).mode & 0o777, 0o600)
      }
    }
  })

  await t.test(
    'CCH5: a deactivated image is not served from it, nor is a foreign one',
    async (t) => {
      const before = store.gets
      t.equal((await get(stack, id, {}, P2)).status, 404)
      await stack.call(ADMIN, 'POST', `/v2/images/${id}/actions/deactivate`)
      t.equal((await get(stack, id)).status, 403)
      t.ok((await get(stack, id, {}, ADMIN)).body.equals(bytes))
      t.equal(store.gets, before + 1, 'administrators read it from the store')
      await stack.call(ADMIN, 'POST', `/v2/images/${id}/actions/reactivate`)
      t.ok((await get(stack, id)).body.equals(bytes))
      t.equal(store.gets, before + 1)
    }
  )

  await t.test('CCH6: deleting the image empties its entry', async (t) => {
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    t.equal(await entry(stack, id), undefined)
    for (const folder of ['images', 'hits', 'parts']) t.same(await names(dir, folder), [])
  })
})

t.test('the queue and the routes', async (t) => {
  const { stack, store, dir } = await open(t)
  const bytes = randomBytes(100 * KIB)
  const id = await active(stack, bytes)
  const put = async (which: string, who = ADMIN) =>
    (await stack.call(who, 'PUT', `/v2/cache/${which}`)).status
  const remove = async (which: string, target?: string) =>
    (
      await stack.call(ADMIN, 'DELETE', `/v2/cache${which}`, {
        headers: target === undefined ? {} : { 'x-image-cache-clear-target': target }
      })
    ).status
  const queued = async () => (await list(stack)).queued_images

  await t.test('VER3: 2.14, 2.16 and 2.18 are there, 2.18 is CURRENT', async (t) => {
    const { versions } = (await stack.json(null, 'GET', '/versions')).body
    const ids = versions.map((each: { id: string }) => each.id)
    for (const minor of ['v2.14', 'v2.16', 'v2.18']) t.ok(ids.includes(minor), minor)
    t.match(versions[0], { id: 'v2.18', status: 'CURRENT' })
    t.equal((await stack.call(ADMIN, 'GET', '/v2.18/cache')).status, 200)
  })

  await t.test('CCH1: a queued image becomes cached, with no hits', async (t) => {
    t.equal(await put(id), 202)
    t.match(await cached(stack, id), { hits: 0, last_accessed: 0, size: bytes.length })
    t.equal(await put(id), 202, 'again')
    await until('the queue is empty', 10_000, async () =>
      (await queued()).length === 0 ? true : undefined
    )
    t.equal(store.gets, 1)
    t.ok((await get(stack, id)).body.equals(bytes))
    t.equal(store.gets, 1)
  })

  await t.test('CCH2: what cannot be cached is not queued', async (t) => {
    t.equal(await put(randomUUID()), 404)
    t.equal(await put('no-id'), 404)
    const { id: empty } = await stack.create(P1)
    t.equal(await put(empty), 400)
    const near = await active(stack, bytes, { 'x-image-meta-store': 'near' })
    t.equal(await put(near), 400, 'an image on disks of this machine')
    t.ok((await get(stack, near)).body.equals(bytes))
    t.equal(await entry(stack, near), undefined)
    t.same(await queued(), [])
  })

  await t.test('CCH4: the cache is for administrators', async (t) => {
    const routes = [
      ['GET', ''],
      ['DELETE', ''],
      ['PUT', `/${id}`],
      ['DELETE', `/${id}`],
      ['GET', `/nodes/${id}`],
      ['POST', '/clean'],
      ['POST', '/prune']
    ]
    for (const [method = '', path] of routes) {
      t.equal((await stack.call(P1, method, `/v2/cache${path}`)).status, 403, `${method} ${path}`)
    }
    t.equal((await stack.call(ADMIN, 'POST', `/v2/cache/${id}`)).status, 405)
  })

  await t.test('CCH8: no node knows what the others have', async (t) => {
    t.equal((await stack.call(ADMIN, 'GET', `/v2/cache/nodes/${id}`)).status, 409)
    t.equal((await stack.call(ADMIN, 'GET', `/v2/cache/nodes/${randomUUID()}`)).status, 404)
  })

  await t.test('CCH3: one, the queue, the cache, all', async (t) => {
    const waiting = await active(stack, bytes)
    store.faults = { fails: 'UNAVAILABLE' }
    t.equal(await put(waiting), 202)
    t.equal(await remove('', 'cache'), 204)
    t.match(await list(stack), { cached_images: { length: 0 }, queued_images: [waiting] })
    store.faults = {}
    await get(stack, id)
    await cached(stack, id)
    t.equal(await remove('', 'queue'), 204)
    t.same(await queued(), [])
    t.ok(await entry(stack, id))
    t.equal(await remove(`/${id}`), 204)
    t.equal(await entry(stack, id), undefined)
    t.equal(await remove(`/${id}`), 204, 'not cached')
    t.equal(await remove(`/${randomUUID()}`), 404)
    t.equal(await remove('', 'all'), 400)
    await get(stack, id)
    await cached(stack, id)
    store.faults = { fails: 'UNAVAILABLE' }
    t.equal(await put(waiting), 202)
    t.equal(await remove('', ''), 204)
    t.match(await list(stack), { cached_images: { length: 0 }, queued_images: { length: 0 } })
    store.faults = {}
  })

  await t.test('CCH7: clean and prune; what died in mid-fill is removed', async (t) => {
    const old = new Date(Date.now() - 60_000)
    const part = join(dir, 'parts', `${randomUUID()}.${100 * KIB}`)
    await writeFile(part, bytes.subarray(0, 5000))
    await link(part, join(dir, 'filling', `${id}.${sha256(bytes)}`))
    await writeFile(join(dir, 'hits', randomUUID()), '..')
    await utimes(part, old, old)
    t.ok((await get(stack, id)).body.equals(bytes), 'nobody waits for a writer that is gone')
    await cached(stack, id)
    const gone = join(dir, 'parts', `${randomUUID()}.9`)
    await writeFile(gone, 'part')
    await utimes(gone, old, old)
    const clean = await stack.call(ADMIN, 'POST', '/v2/cache/clean')
    t.equal(clean.status, 200)
    t.equal(clean.body.length, 0)
    t.same(await names(dir, 'parts'), [])
    t.same(await names(dir, 'filling'), [])
    t.same(await names(dir, 'hits'), [])
    const prune = await stack.json(ADMIN, 'POST', '/v2/cache/prune')
    t.equal(prune.status, 200)
    t.same(prune.body, { total_files_pruned: 0, total_bytes_pruned: 0 })
  })

  await t.test('S-40: what is half there when the machine starts anew is not read', async (t) => {
    await remove(`/${id}`)
    const part = join(dir, 'parts', `${randomUUID()}.${bytes.length}`)
    await writeFile(part, Buffer.alloc(bytes.length - 1))
    await link(part, join(dir, 'filling', `${id}.${sha256(bytes)}`))
    await writeFile(join(dir, 'boot'), 'another')
    const later = await stack.openApi()
    t.teardown(() => later.stop())
    t.same([...(await names(dir, 'filling')), ...(await names(dir, 'parts'))], [])
    t.match(await fetched(later.url, id), { sha256: sha256(bytes), isComplete: true })
    await cached(stack, id)
  })

  await t.test(
    'CCH7, D4: clean removes images that were deleted through another node',
    async (t) => {
      const other = await stack.openApi({ cache: { dir: `${dir}-2` } })
      t.teardown(() => other.stop())
      const headers = identityHeaders(P1)
      const url = `${other.url}/v2/images/${id}`
      t.equal((await request(url, { method: 'DELETE', headers })).status, 204)
      t.ok(await entry(stack, id))
      await stack.call(ADMIN, 'POST', '/v2/cache/clean')
      t.same(await names(dir, 'images'), [])
    }
  )
})

t.test(
  'K1: without a cache its routes are not there, but for those who may not know',
  async (t) => {
    const stack = await openStack()
    t.teardown(() => stack.close())
    const id = await active(stack, Buffer.from('data'))
    for (const [method, path] of [
      ['GET', '/v2/cache'],
      ['DELETE', '/v2/cache'],
      ['PUT', `/v2/cache/${id}`],
      ['DELETE', `/v2/cache/${id}`],
      ['GET', `/v2/cache/nodes/${id}`],
      ['POST', '/v2/cache/clean'],
      ['POST', '/v2/cache/prune']
    ] as const) {
      t.equal((await stack.call(P1, method, path)).status, 403, `${method} ${path}`)
      t.equal((await stack.call(ADMIN, method, path)).status, 404, `${method} ${path}`)
    }
  }
)

t.test('the size limit', async (t) => {
  const { stack, store, dir } = await open(t, { maxSize: 250 * KIB })
  const images: string[] = []
  for (let n = 0; n < 3; n++) images.push(await active(stack, randomBytes(100 * KIB)))
  const [a = '', b = '', c = ''] = images
  const touch = async (id: string) => {
    await get(stack, id)
    await cached(stack, id)
  }
  const ids = async () =>
    (await list(stack)).cached_images.map((each: { image_id: string }) => each.image_id)

  await t.test('CCH7: the least recently used image makes room', async (t) => {
    await touch(a)
    await touch(b)
    await touch(a)
    await touch(c)
    t.same((await ids()).sort(), [a, c].sort())
    const before = store.gets
    await get(stack, a)
    t.equal(store.gets, before)
  })

  await t.test('an image that is larger than the cache comes from its store', async (t) => {
    const bytes = randomBytes(300 * KIB)
    const large = await active(stack, bytes)
    t.ok((await get(stack, large)).body.equals(bytes))
    t.same((await ids()).sort(), [a, c].sort())
    t.equal((await stack.call(ADMIN, 'PUT', `/v2/cache/${large}`)).status, 400)
  })

  await t.test('CCH7: prune says what it removed', async (t) => {
    await writeFile(join(dir, 'parts', `${randomUUID()}.${100 * KIB}`), '')
    t.same((await stack.json(ADMIN, 'POST', '/v2/cache/prune')).body, {
      total_files_pruned: 1,
      total_bytes_pruned: 100 * KIB
    })
  })
})

t.test('many who want the same image', async (t) => {
  const { stack, store, dir } = await open(t)
  const bytes = randomBytes(700 * KIB)
  const other = await stack.openApi()
  t.teardown(() => other.stop())
  const crowd = (id: string) =>
    Promise.all(Array.from({ length: 40 }, (_, n) => fetched(n % 2 ? stack.url : other.url, id)))

  await t.test('K9: two processes of a node read the store once', async (t) => {
    const id = await active(stack, bytes)
    store.faults = { slow: 5 }
    const before = store.gets
    const all = await crowd(id)
    store.faults = {}
    t.equal(store.gets, before + 1)
    for (const { status, sha256: digest, isComplete } of all) {
      t.same([status, digest, isComplete], [200, sha256(bytes), true])
    }
    t.same(await names(dir, 'parts'), [])
    t.equal((await cached(stack, id)).size, bytes.length)
  })

  await t.test('when the store breaks off, the rest is read again', async (t) => {
    const id = await active(stack, bytes)
    store.faults = { breaksAfter: 400 * KIB, slow: 2 }
    const all = await crowd(id)
    store.faults = {}
    for (const { status, sha256: digest, isComplete } of all) {
      t.same([status, digest, isComplete], [200, sha256(bytes), true])
    }
    t.equal(await entry(stack, id), undefined, 'half an image is not kept')
    t.same(await names(dir, 'parts'), [])
  })

  await t.test('CCH5: wrong bytes are neither kept nor taken for the image', async (t) => {
    const id = await active(stack, bytes)
    store.faults = { corrupts: true, slow: 2 }
    const all = await crowd(id)
    t.same(
      all.filter(({ isComplete }) => isComplete),
      []
    )
    t.equal(await entry(stack, id), undefined)
    t.same(
      await names(dir, 'images'),
      (await names(dir, 'images')).filter((n) => !n.includes(id))
    )
    store.faults = {}
    t.ok((await get(stack, id)).body.equals(bytes))
    await cached(stack, id)
  })

  await t.test('CCH6: an image deleted in mid-fill leaves nothing', async (t) => {
    const id = await active(stack, bytes)
    store.faults = { slow: 10 }
    const reading = fetched(other.url, id)
    await until('it is being filled', 5000, async () =>
      (await names(dir, 'filling')).some((name) => name.startsWith(id)) ? true : undefined
    )
    t.equal((await stack.call(P1, 'DELETE', `/v2/images/${id}`)).status, 204)
    await reading
    store.faults = {}
    await until('nothing is left', 10_000, async () => {
      const left = [...(await names(dir, 'parts')), ...(await names(dir, 'filling'))]
      return left.length === 0 ? true : undefined
    })
    t.same(
      (await names(dir, 'images')).filter((name) => name.startsWith(id)),
      []
    )
  })
})

t.test('a cache that is broken', async (t) => {
  const { stack, store, dir } = await open(t)
  const bytes = randomBytes(64 * KIB)
  const id = await active(stack, bytes)
  const path = join(dir, 'images', `${id}.${sha256(bytes)}`)
  const fill = async () => {
    await get(stack, id)
    await cached(stack, id)
  }
  const readsFromStore = async (t: Test, why: string) => {
    const before = store.gets
    const { status, body } = await get(stack, id)
    t.ok(status === 200 && body.equals(bytes), why)
    t.equal(store.gets, before + 1, why)
  }

  await t.test('S-26: what is not the file of the image is not served', async (t) => {
    await fill()
    await truncate(path, 1000)
    await readsFromStore(t, 'a file that is too short')
    await fill()
    await link(path, `${dir}-link`)
    await readsFromStore(t, 'a file with a second name')
    await rm(`${dir}-link`)
    await fill()
    const copy = `${dir}-copy`
    await writeFile(copy, randomBytes(bytes.length))
    await rm(path)
    await symlink(copy, path)
    await readsFromStore(t, 'a link')
    await rm(copy)
  })

  await t.test('images come from their stores while it cannot be used', async (t) => {
    await rm(dir, { recursive: true })
    await writeFile(dir, 'no folder')
    const before = store.gets
    for (let n = 0; n < 3; n++) t.ok((await get(stack, id)).body.equals(bytes))
    t.equal(store.gets, before + 3)
  })
})
