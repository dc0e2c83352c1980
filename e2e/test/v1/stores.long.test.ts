import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import chaseStore from '@tank/store-chase'
import httpStore from '@tank/store-http'
import s3Store from '@tank/store-s3'
import t, { type Test } from 'tap'
import { chaseBackend, entriesOf, s3Backend, waitUntilEmpty } from '../../src/backends.ts'
import { MiB } from '../../src/bytes.ts'
import { request } from '../../src/http.ts'
import { testWith } from '../../src/require.ts'
import { identityHeaders, openStack, P1 } from '../../src/stack.ts'
import { DATA, meta, RAW, v1Of } from '../../src/v1.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(300_000)

const PATIENCE = 60_000
const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

/** Names of all objects in a container, as Swift itself lists them. */
async function objectsIn(container: string): Promise<string[]> {
  const {
    TANK_TEST_SWIFT_AUTH_URL: login = '',
    TANK_TEST_SWIFT_USER,
    TANK_TEST_SWIFT_KEY
  } = process.env
  const headers = { 'x-auth-user': TANK_TEST_SWIFT_USER, 'x-auth-key': TANK_TEST_SWIFT_KEY }
  const { headers: given } = await request(login, { headers })
  const token = { 'x-auth-token': String(given['x-auth-token']) }
  const listed = await request(`${given['x-storage-url']}/${container}`, { headers: token })
  return listed.body
    .toString()
    .split('\n')
    .filter((name) => name !== '')
}

/** Passes requests on to a service that starts later, as the owner of what is asked for. */
async function openFront(t: Test): Promise<{ readonly url: string; lead(to: string): void }> {
  let target = ''
  const server = http.createServer((request, response) => {
    const options = {
      method: request.method,
      headers: { ...identityHeaders(P1), range: request.headers.range ?? 'none' }
    }
    const call = http.request(`${target}${request.url}`, options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    call.on('error', () => response.destroy())
    call.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    lead: (to) => {
      target = to
    }
  }
}

await testWith(
  t,
  'V1-67, V1-68, V1-71, V1-72: v1 over S3, Swift and the web',
  [s3Backend().missing, chaseBackend().missing],
  async (t) => {
    const [s3, chase] = [s3Backend(), chaseBackend({ segmentSize: MiB })]
    const front = await openFront(t)
    const web = { allowHttp: true, allow: ['127.0.0.1'], ports: [Number(new URL(front.url).port)] }
    const stack = await openStack({
      api: {
        stores: { s3: s3.config, chase: chase.config, web: { use: 'web', ...web } },
        defaultStore: 's3',
        jobs: { pollSeconds: 0.1 }
      },
      plugins: { '@tank/store-s3': s3Store, '@tank/store-chase': chaseStore, web: httpStore }
    })
    t.teardown(() => stack.close())
    front.lead(stack.url)
    const { post, said, remove } = v1Of(stack)
    const send = async (store: string, bytes: Buffer): Promise<string> => {
      const made = await post(P1, { ...DATA, ...meta({ ...RAW, store }) }, bytes)
      if (made.status !== 201) throw new Error(made.text)
      return made.image.id
    }
    const read = async (id: string) => (await stack.call(P1, 'GET', `/v1/images/${id}`)).body
    const active = (id: string) =>
      until(`${id} is active`, PATIENCE, async () =>
        (await said(P1, id, 'status')) === 'active' ? true : undefined
      )

    for (const size of [5 * MiB, 5 * MiB + 12_345]) {
      await t.test(`V1-71, V1-72: ${size} bytes in segments of ${MiB}`, async (t) => {
        const bytes = randomBytes(size)
        const id = await send('swift', bytes)
        const names = await objectsIn(String(chase.config.container))
        t.equal(
          names.length,
          Math.ceil(size / MiB) + 1,
          'the segments, and what holds them together'
        )
        t.equal((await entriesOf(chase)).length, 1, 'one image')
        t.equal(await said(P1, id, 'checksum'), md5(bytes), 'of the whole')
        t.ok((await read(id)).equals(bytes))
        t.equal((await remove(P1, id)).status, 200)
        await waitUntilEmpty(chase, PATIENCE)
      })
    }

    await t.test('V1-67, V1-68: copies from everywhere to everywhere', async (t) => {
      const bytes = randomBytes(2 * MiB + 1)
      const ids: string[] = []
      const origins = new Map<string, string>()
      for (const store of ['s3', 'chase']) origins.set(store, await send(store, bytes))
      const url = (id: string | undefined) => `${front.url}/v1/images/${id}`
      const located = await post(P1, meta({ ...RAW, location: url(origins.get('s3')) }))
      t.match(located.image, { status: 'active', size: bytes.length }, located.text)
      origins.set('web', located.image.id)
      t.ok((await read(located.image.id)).equals(bytes))
      for (const [from, id] of origins) {
        for (const store of ['s3', 'chase']) {
          const source = { 'x-glance-api-copy-from': url(id) }
          const made = await post(P1, { ...meta({ ...RAW, store }), ...source })
          t.equal(made.status, 201, made.text)
          await active(made.image.id)
          t.equal(await said(P1, made.image.id, 'checksum'), md5(bytes), `${from} to ${store}`)
          t.ok((await read(made.image.id)).equals(bytes))
          ids.push(made.image.id)
        }
      }
      for (const id of [...ids, ...origins.values()]) await remove(P1, id)
      await waitUntilEmpty(s3, PATIENCE)
      await waitUntilEmpty(chase, PATIENCE)
    })
  }
)
