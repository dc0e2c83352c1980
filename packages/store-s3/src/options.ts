import { type Static, Type } from 'typebox'
import { MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE, type PartLimits } from './part-sizes.ts'

const MiB = 1024 ** 2
const GiB = 1024 ** 3
const TiB = 1024 ** 4

const text = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))

const flag = (description: string, fallback?: boolean) =>
  Type.Optional(
    Type.Boolean({ description, ...(fallback === undefined ? {} : { default: fallback }) })
  )

const seconds = (fallback: number, description: string) =>
  Type.Optional(
    Type.Number({ exclusiveMinimum: 0, maximum: 86_400, default: fallback, description })
  )

export const s3StoreOptions = Type.Object(
  {
    bucket: Type.String({
      minLength: 3,
      maxLength: 255,
      description: 'The bucket of the images; it must exist.'
    }),
    prefix: Type.Optional(
      Type.String({
        // Keys follow at once. No empty parts and no dots: some servers fold them away.
        pattern: '^$|^([A-Za-z0-9_-][A-Za-z0-9._-]*/)+$',
        maxLength: 512,
        default: '',
        description: 'What the names of all objects begin with, such as `images/`; ends with `/`.'
      })
    ),
    region: text(
      'The region of the bucket. Without it: `us-east-1` where `endpoint` is set, else what the environment of the SDK says.'
    ),
    endpoint: Type.Optional(
      Type.String({
        pattern: '^https?://[^/@?#]+/?$',
        description:
          'The address of the server, such as `https://s3.example.org`; Amazon without it.'
      })
    ),
    forcePathStyle: flag(
      'Name the bucket in the path instead of the host name. Default: where `endpoint` is set.'
    ),
    accessKeyId: text(
      'The access key. Without it: the credentials of the environment, of a profile, of a role (the chain of the SDK).'
    ),
    secretAccessKey: text('The secret of the access key; the two come together.'),
    sessionToken: text('The session token of temporary keys.'),
    partSize: Type.Optional(
      Type.Integer({
        minimum: MIN_PART_SIZE,
        maximum: MAX_PART_SIZE,
        description:
          'Bytes a part, and the largest image that goes out in one request. Default: 8 MiB for a known size, 16 MiB for an unknown one. Larger images get larger parts.'
      })
    ),
    concurrency: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 64,
        default: 4,
        description: 'Parts of one upload that are in memory and on their way at once.'
      })
    ),
    equalParts: flag(
      'All parts but the last have the same size, as Cloudflare R2 wants it. A body of unknown size then ends at 10,000 parts.',
      false
    ),
    maxSize: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 16 * TiB,
        default: 5 * TiB,
        description: 'Bytes of the largest image that the server takes.'
      })
    ),
    exclusive: flag(
      'Refuse a second put of a key (`If-None-Match: *`). `false` for servers that do not know it.',
      true
    ),
    signPayload: flag(
      'Send a SHA-256 with the bytes, which the server checks. Default: over plain HTTP, where nothing else protects them.'
    ),
    copyPartSize: Type.Optional(
      Type.Integer({
        minimum: MIN_PART_SIZE,
        maximum: MAX_PART_SIZE,
        default: GiB,
        description: 'Bytes that the server copies in one request; larger images in several.'
      })
    ),
    storageClass: text('The storage class of new images, such as `STANDARD_IA`.'),
    serverSideEncryption: Type.Optional(
      Type.Union([Type.Literal('AES256'), Type.Literal('aws:kms'), Type.Literal('aws:kms:dsse')], {
        description: 'How the server encrypts new images. Default: as the bucket says.'
      })
    ),
    kmsKeyId: text('The key of `aws:kms`.'),
    maxAttempts: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        default: 4,
        description: 'How often a request is made when the connection breaks or the server fails.'
      })
    ),
    retrySeconds: seconds(
      30,
      'How long a request is repeated while the server asks for patience (503), and while parts of an upload fail.'
    ),
    connectSeconds: seconds(10, 'How long a connection may take.'),
    answerSeconds: seconds(
      60,
      'How long the server may take for the first byte of its answer; ten times as long where it assembles or copies an image.'
    ),
    stallSeconds: seconds(
      60,
      'How long a transfer may stand still, unless the other side waits for us.'
    )
  },
  { additionalProperties: false }
)

export type S3StoreOptions = Static<typeof s3StoreOptions>

export interface Settings extends PartLimits {
  readonly bucket: string
  readonly prefix: string
  readonly region: string | undefined
  readonly endpoint: string | undefined
  readonly forcePathStyle: boolean
  readonly credentials: Credentials | undefined
  readonly concurrency: number
  readonly exclusive: boolean
  readonly signPayload: boolean
  readonly copyPartSize: number
  /** Goes with every request that makes an object. */
  readonly placement: Placement
  readonly maxAttempts: number
  readonly retryMs: number
  readonly connectMs: number
  readonly answerMs: number
  readonly stallMs: number
}

interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

interface Placement {
  readonly storageClass: string | undefined
  readonly serverSideEncryption: S3StoreOptions['serverSideEncryption'] | undefined
  readonly kmsKeyId: string | undefined
}

/** Throws an Error that names the options when they do not go together. */
export function withDefaults(options: S3StoreOptions): Settings {
  const { bucket, endpoint, storageClass, serverSideEncryption, kmsKeyId } = options
  if (kmsKeyId !== undefined && serverSideEncryption?.startsWith('aws:kms') !== true) {
    throw new Error('`kmsKeyId` needs `serverSideEncryption: aws:kms`')
  }
  const plain = endpoint?.startsWith('http:') ?? false
  return {
    bucket,
    prefix: options.prefix ?? '',
    region: options.region ?? (endpoint === undefined ? undefined : 'us-east-1'),
    endpoint: endpoint?.replace(/\/$/, ''),
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    credentials: credentialsOf(options),
    ...partLimits(options),
    concurrency: options.concurrency ?? 4,
    exclusive: options.exclusive ?? true,
    signPayload: options.signPayload ?? plain,
    copyPartSize: options.copyPartSize ?? GiB,
    placement: { storageClass, serverSideEncryption, kmsKeyId },
    maxAttempts: options.maxAttempts ?? 4,
    retryMs: (options.retrySeconds ?? 30) * 1000,
    connectMs: (options.connectSeconds ?? 10) * 1000,
    answerMs: (options.answerSeconds ?? 60) * 1000,
    stallMs: (options.stallSeconds ?? 60) * 1000
  }
}

function partLimits({ partSize, equalParts, maxSize }: S3StoreOptions): PartLimits {
  return {
    knownPartSize: partSize ?? 8 * MiB,
    unknownPartSize: partSize ?? 16 * MiB,
    equalParts: equalParts ?? false,
    maxSize: Math.min(maxSize ?? 5 * TiB, MAX_PARTS * MAX_PART_SIZE)
  }
}

function credentialsOf(options: S3StoreOptions): Credentials | undefined {
  const { accessKeyId, secretAccessKey, sessionToken } = options
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
  }
  if (accessKeyId !== undefined || secretAccessKey !== undefined) {
    throw new Error('`accessKeyId` and `secretAccessKey` come together')
  }
  if (sessionToken !== undefined) {
    throw new Error('`sessionToken` needs `accessKeyId` and `secretAccessKey`')
  }
  return undefined
}
