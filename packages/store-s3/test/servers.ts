// The servers that the tests run against: the fake, and the real one that the environment names.
import {
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client
} from '@aws-sdk/client-s3'
import type { S3StoreOptions } from '../src/index.ts'
import { FakeS3 } from './fake-s3.ts'

// The store keeps the SDK quiet by itself (plugin.test.ts); this is for the client of the tests.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

export interface TestServer {
  readonly port: number
  /** Options that lead there; a prefix of its own keeps tests apart that run at the same time. */
  readonly options: S3StoreOptions & Required<Pick<S3StoreOptions, 'endpoint' | 'prefix'>>
  /** Names of the objects and the uploads below the prefix, as the server has them. */
  leftovers(): Promise<string[]>
  /** Stores an object past the store. */
  seed(name: string, bytes: Buffer): Promise<void>
  close(): Promise<void>
}

/** Why there is no real server, if so. */
export const noRealServer =
  process.env.TANK_TEST_S3_ENDPOINT === undefined
    ? 'TANK_TEST_S3_ENDPOINT is not set (e2e/servers/s3.sh)'
    : undefined

export async function openFake(): Promise<TestServer & { readonly fake: FakeS3 }> {
  const fake = await FakeS3.open()
  const { accessKey, secretKey } = fake.account
  const server = serverAt(fake.endpoint, fake.bucket, accessKey, secretKey, () => fake.close())
  return { ...server, fake }
}

export function openReal(): TestServer {
  const { env } = process
  return serverAt(
    env.TANK_TEST_S3_ENDPOINT ?? '',
    env.TANK_TEST_S3_BUCKET ?? '',
    env.TANK_TEST_S3_ACCESS_KEY ?? '',
    env.TANK_TEST_S3_SECRET_KEY ?? '',
    async () => {}
  )
}

let count = 0

function serverAt(
  endpoint: string,
  bucket: string,
  accessKeyId: string,
  secretAccessKey: string,
  close: () => Promise<void>
): TestServer {
  count += 1
  const prefix = `t${process.pid}-${Date.now().toString(36)}-${count}/`
  const options = { endpoint, bucket, prefix, accessKeyId, secretAccessKey }
  // Its own client, since a store that overlooks something must not be the one who looks.
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED'
  })
  return {
    port: Number(new URL(endpoint).port),
    options,
    leftovers: () => namesBelow(client, bucket, prefix),
    seed: async (name, bytes) => {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: bytes }))
    },
    close: async () => {
      await removeBelow(client, bucket, prefix).catch(() => {})
      client.destroy()
      await close()
    }
  }
}

async function namesBelow(client: S3Client, bucket: string, prefix: string): Promise<string[]> {
  const names: string[] = []
  const where = { Bucket: bucket, Prefix: prefix }
  let token: string | undefined
  do {
    const page = await client.send(new ListObjectsV2Command({ ...where, ContinuationToken: token }))
    for (const { Key } of page.Contents ?? []) names.push(`object ${Key}`)
    token = page.NextContinuationToken
  } while (token !== undefined)
  let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined =
    {}
  while (marker !== undefined) {
    const command = new ListMultipartUploadsCommand({ ...where, ...marker })
    const page: ListMultipartUploadsCommandOutput = await client.send(command)
    for (const { Key, UploadId } of page.Uploads ?? []) names.push(`upload ${Key} ${UploadId}`)
    marker =
      page.IsTruncated === true
        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        : undefined
  }
  return names
}

/** Leaves a server that others use as it was. */
async function removeBelow(client: S3Client, bucket: string, prefix: string): Promise<void> {
  for (const name of await namesBelow(client, bucket, prefix)) {
    const [kind, key = ''] = name.split(' ')
    if (kind !== 'object') continue
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
  }
}
