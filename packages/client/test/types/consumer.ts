// What the types of the package promise to whoever uses them. Compiled with the package, and again as
// it is published, in a project of its own (e2e/test/client-package.long.test.ts). It never runs.
import { createReadStream, createWriteStream } from 'node:fs'
import {
  type Auth,
  applicationCredentialAuth,
  authFromEnvironment,
  type CatalogAuth,
  type ClassicName,
  classicName,
  clientCredentialsAuth,
  createRegistryClient,
  createTankClient,
  customProperties,
  type DownloadResult,
  getLegacyClient,
  type ImageDocument,
  type ImportJob,
  isTankClientError,
  LegacyClient,
  type LegacyImage,
  openTankClient,
  passwordAuth,
  type RegistryClient,
  TankClient,
  TankClientError,
  type TankClientErrorCode,
  type TankClientOptions
} from '@tank/client'

/** Takes only what has exactly this type. */
type Exactly<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const yes = <T extends true>(): T | undefined => undefined

export async function tankClient(): Promise<void> {
  const url = 'http://127.0.0.1:9292'
  const client = createTankClient({ url, token: async () => 'token', retries: 3 })
  const same: TankClient = new TankClient({ url, token: 'token' })
  const options: TankClientOptions = { url, auth: passwordAuth({ authUrl: url, password: 'p' }) }
  const opened: TankClient = await openTankClient({ ...authFromEnvironment(process.env) })
  // @ts-expect-error a client needs to know where the service is
  createTankClient({})
  // @ts-expect-error unknown options are mistakes
  createTankClient({ url, timeout: 5 })
  // @ts-expect-error a token is a text or a function that promises one
  createTankClient({ url, token: () => 5 })

  const image = await client.create({
    name: 'disk',
    disk_format: 'qcow2',
    container_format: 'bare',
    properties: { os_distro: 'debian' }
  })
  yes<Exactly<typeof image, ImageDocument>>()
  // @ts-expect-error there is no such format
  await client.create({ disk_format: 'floppy' })
  // @ts-expect-error properties are texts
  await client.create({ properties: { count: 5 } })
  // @ts-expect-error an image is as it was read
  image.name = 'other'
  const size: number | null = image.size
  const custom: Record<string, string> = customProperties(image)

  for (const source of [
    './disk.qcow2',
    new URL('file:///disk.qcow2'),
    Buffer.from('x'),
    new Uint8Array(1),
    new Blob(['x']),
    createReadStream('./disk.qcow2'),
    new Blob(['x']).stream(),
    (async function* () {
      yield new Uint8Array(1)
    })()
  ]) {
    await client.upload(image.id, source, {
      size: 1,
      store: 'main',
      verify: true,
      signal: AbortSignal.timeout(1_000),
      onProgress: ({ bytes, total }) => {
        yes<Exactly<typeof bytes, number>>()
        yes<Exactly<typeof total, number | undefined>>()
      }
    })
  }
  // @ts-expect-error a number is no source of bytes
  await client.upload(image.id, 5)
  // @ts-expect-error staged bytes have no store yet
  await client.stage(image.id, './disk', { store: 'main' })

  const result = await client.download(image.id, './disk.raw', { resume: true, parallel: 4 })
  yes<Exactly<typeof result, DownloadResult>>()
  await client.download(image.id, new URL('file:///disk.raw'))
  await client.download(image.id, createWriteStream('./disk.raw'))
  await client.download(image.id, new WritableStream<Uint8Array>())
  // @ts-expect-error what is read in a loop is not kept, so there is nothing to resume
  client.read(image.id, { resume: true })
  for await (const chunk of client.read(image.id)) yes<Exactly<typeof chunk, Buffer>>()

  const filter = { status: 'active', tag: ['a', 'b'], size_min: 5, sort: 'name:asc' }
  for await (const each of client.list(filter, { pageSize: 100 })) {
    yes<Exactly<typeof each, ImageDocument>>()
  }
  // @ts-expect-error filters are texts, numbers and truth values
  client.list({ name: { like: 'x' } })
  await client.update(image.id, { name: null, properties: { gone: null }, visibility: 'shared' })
  // @ts-expect-error there is no such visibility
  await client.update(image.id, { visibility: 'secret' })
  await client.patch(image.id, [{ op: 'remove', path: '/os_distro' }])
  // @ts-expect-error the other operations of a JSON patch are not of this dialect
  await client.patch(image.id, [{ op: 'move', path: '/a', from: '/b' }])

  const job: ImportJob = await client.import(image.id, {
    method: 'web-download',
    uri: 'https://example.org/disk.qcow2',
    stores: ['main']
  })
  await job.wait({ onProgress: ({ status, bytes = 0 }) => void [status, bytes] })
  // @ts-expect-error a download needs an address
  await client.import(image.id, { method: 'web-download' })
  await client.copyTo(image.id, 'all')
  await client.members.setStatus(image.id, 'project', 'accepted')
  // @ts-expect-error there is no such answer to an offer
  await client.members.setStatus(image.id, 'project', 'perhaps')
  for (const { id, isDefault, isReadOnly } of await client.stores.list()) {
    yes<Exactly<[string, boolean, boolean], [typeof id, typeof isDefault, typeof isReadOnly]>>()
  }
  await Promise.all([same.close(), opened.close()])
  void [options, size, custom]
}

export function errors(error: unknown): string {
  if (isTankClientError(error, 'NOT_FOUND')) {
    yes<Exactly<typeof error, TankClientError>>()
    const code: TankClientErrorCode = error.code
    const status: number | undefined = error.status
    return `${code} ${status} ${error.requestId ?? ''} ${error.retryAfter ?? 0}`
  }
  // @ts-expect-error there is no such code
  if (isTankClientError(error, 'NO_SUCH_CODE')) return ''
  const name: ClassicName | undefined = classicName(error)
  return name ?? new TankClientError('TIMEOUT', 'too late').message
}

export function identities(): readonly Auth[] {
  const authUrl = 'https://identity.example.org/v3'
  const keystone: CatalogAuth = applicationCredentialAuth({ authUrl, id: 'i', secret: 's' })
  // @ts-expect-error a secret is needed
  applicationCredentialAuth({ authUrl, id: 'i' })
  return [
    keystone,
    passwordAuth({ authUrl, username: 'ann', password: 'p', projectName: 'lab' }),
    clientCredentialsAuth({ issuer: authUrl, clientId: 'c', clientSecret: 's' })
  ]
}

export async function classic(): Promise<void> {
  const client: LegacyClient = getLegacyClient({ host: '127.0.0.1' }, process.env)
  const [meta, data] = await client.getImage('id')
  yes<Exactly<typeof meta, LegacyImage>>()
  for await (const chunk of data) yes<Exactly<typeof chunk, Buffer>>()
  await client.addImage({ name: 'x', is_public: true, properties: { n: 1 } }, 'bytes', {
    'x-tank-api-copy-from': 'http://example.org/disk'
  })
  await client.getImages({ filters: { name: 'x', 'property-os': null }, sort_dir: 'asc' })
  // @ts-expect-error there are two directions
  await client.getImages({ sort_dir: 'sideways' })
  // @ts-expect-error the port is a number
  new LegacyClient({ host: '127.0.0.1', port: '9292' })
}

export function registry(): RegistryClient {
  // @ts-expect-error a registry asks for its secret
  createRegistryClient({ urls: ['http://127.0.0.1:9191'] })
  return createRegistryClient({ urls: ['http://127.0.0.1:9191'], secret: 's' })
}
