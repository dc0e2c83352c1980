import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import { isStoreError } from '@tank/store'
import t, { type Test } from 'tap'
import { openS3Store, type S3StoreOptions } from '../src/index.ts'
import { noRealServer, openReal, type TestServer } from './servers.ts'
import { body, bytesOf, fakeFor, openMute, PART, rejects, storeOn } from './surroundings.ts'

const real = noRealServer === undefined ? {} : { skip: noRealServer }

/** Options that are wrong, and what the check then says: both servers name these alike. */
const mistakes: readonly [string, Partial<S3StoreOptions>, RegExp][] = [
  ['a wrong secret', { secretAccessKey: 'wrong' }, /correct `secretAccessKey`.*SignatureDoesNot/],
  ['an unknown key', { accessKeyId: 'nobody' }, /correct `accessKeyId`.*InvalidAccessKeyId/],
  ['a missing bucket', { bucket: 'no-such-bucket' }, /create it, or correct `bucket`.*NoSuchBucket/]
]

async function assertMistakes(t: Test, server: TestServer): Promise<void> {
  for (const [name, options, sentence] of mistakes) {
    await t.test(name, async (t) => {
      const store = await storeOn(t, server, options)
      const key = randomUUID()
      await rejects(t, store.check(), 'DENIED', sentence)
      // None of them may say that an image is gone, or was there and is now deleted.
      await rejects(t, store.stat(key), 'DENIED', sentence)
      await rejects(t, store.get(key), 'DENIED', sentence)
      await rejects(t, store.delete(key), 'DENIED', sentence)
      await rejects(t, store.put(key, body(bytesOf(10))), 'DENIED', sentence)
      await rejects(t, store.put(key, body(bytesOf(PART + 1))), 'DENIED', sentence)
      await rejects(t, store.copy(key, randomUUID()), 'DENIED', sentence)
      await rejects(t, store.list()[Symbol.asyncIterator]().next(), 'DENIED', sentence)
    })
  }
}

t.test('mistakes in the options are DENIED and say what to correct (fake)', async (t) => {
  await assertMistakes(t, await fakeFor(t))
})

t.test('mistakes in the options are DENIED and say what to correct (real)', real, async (t) => {
  const server = openReal()
  t.teardown(() => server.close())
  await assertMistakes(t, server)
  const stranger = await storeOn(t, server, {
    accessKeyId: process.env.TANK_TEST_S3_OTHER_ACCESS_KEY ?? '',
    secretAccessKey: process.env.TANK_TEST_S3_OTHER_SECRET_KEY ?? ''
  })
  await rejects(t, stranger.check(), 'DENIED', /allow the access key to get, put.*AccessDenied/)
})

t.test('no credentials at all', async (t) => {
  const server = await fakeFor(t)
  const { accessKeyId, secretAccessKey, ...options } = server.options
  const given = {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    AWS_CONFIG_FILE: '/nonexistent'
  }
  const before = { ...process.env }
  t.teardown(() => {
    process.env = before
  })
  Object.assign(process.env, given)
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) {
    delete process.env[name]
  }
  const store = await openS3Store(options)
  await rejects(t, store.check(), 'DENIED', /no credentials: set `accessKeyId`/)
  await store.close()
  // And with them in the environment it works.
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey
  })
  const other = await openS3Store(options)
  await other.check()
  await other.close()
})

t.test('options that do not go together', async (t) => {
  const wrong: [object, RegExp][] = [
    [{ accessKeyId: 'a' }, /come together/],
    [{ secretAccessKey: 'a' }, /come together/],
    [{ sessionToken: 'a' }, /needs `accessKeyId`/],
    [{ kmsKeyId: 'a' }, /needs `serverSideEncryption/]
  ]
  for (const [options, message] of wrong) {
    await t.rejects(openS3Store({ bucket: 'images', ...options }), { message })
  }
})

t.test('S-02 no error shows a secret', async (t) => {
  const server = await fakeFor(t)
  const canaries = {
    accessKeyId: 'CANARYKEYID',
    secretAccessKey: 'canary-secret-0123456789',
    sessionToken: 'canary-token-0123456789'
  }
  const { sessionToken, secretAccessKey, accessKeyId } = canaries
  const store = await storeOn(t, server, { ...canaries, maxAttempts: 1, retrySeconds: 0.1 })
  // The worst server: its answers repeat everything that it was sent.
  const echo = `<Error><Code>SignatureDoesNotMatch</Code><Message>${sessionToken} ${accessKeyId}</Message>
    <CanonicalRequest>x-amz-security-token:${sessionToken}</CanonicalRequest></Error>`
  const head = `HTTP/1.1 403 Forbidden\r\nx-amz-request-id: 7\r\ncontent-length: ${echo.length}\r\n\r\n`
  const endpoint = await openMute(t, (socket) => socket.end(head + echo))
  const echoing = await storeOn(t, server, { ...canaries, endpoint, maxAttempts: 1 })
  const away = await storeOn(t, server, {
    ...canaries,
    endpoint: 'http://127.0.0.1:1',
    maxAttempts: 1,
    retrySeconds: 0.1
  })
  for (const each of [store, echoing, away]) {
    const key = randomUUID()
    for (const call of [
      () => each.check(),
      () => each.stat(key),
      () => each.get(key),
      () => each.delete(key),
      () => each.put(key, body(bytesOf(10))),
      () => each.put(key, body(bytesOf(PART + 1))),
      () => each.copy(key, randomUUID()),
      () => each.list()[Symbol.asyncIterator]().next()
    ]) {
      const error: unknown = await call().then(
        () => undefined,
        (error: unknown) => error
      )
      t.ok(isStoreError(error), String(error))
      const shown = `${inspect(error, { depth: 20, showHidden: true })}${JSON.stringify(error)}`
      for (const secret of [secretAccessKey, sessionToken, accessKeyId]) {
        t.notOk(shown.includes(secret), `${secret} in ${shown.slice(0, 500)}`)
      }
    }
  }
  t.notOk(store.url(randomUUID()).href.includes(accessKeyId))
})
