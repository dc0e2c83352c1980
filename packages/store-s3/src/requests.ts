import type { S3Client } from '@aws-sdk/client-s3'
import type { CallOptions, Calls, HttpOptions } from './calls.ts'
import type { Settings } from './options.ts'

/** Bytes of a request, and their SHA-256 when it is to be signed. */
export interface Payload {
  readonly bytes: Uint8Array
  readonly sha256: string | undefined
}

/** An object to copy, in the state in which it was found. */
export interface Source {
  readonly key: string
  readonly etag: string | undefined
}

/** Objects carry the id of the put that made them, so that a put knows its own after a lost answer. */
export const TAG = 'tank-put'

/** What all requests have in common. */
export class Requests {
  protected readonly client: S3Client
  protected readonly settings: Settings
  readonly #calls: Calls

  constructor(client: S3Client, calls: Calls, settings: Settings) {
    this.client = client
    this.settings = settings
    this.#calls = calls
  }

  at(key: string): { Bucket: string; Key: string } {
    const { bucket, prefix } = this.settings
    return { Bucket: bucket, Key: `${prefix}${key}` }
  }

  protected run<T>(send: (http: HttpOptions) => Promise<T>, options: CallOptions): Promise<T> {
    return this.#calls.run(send, options)
  }

  // No ACL anywhere: new objects are private, and buckets without ACLs refuse any (S-23).
  protected made(tag: string) {
    const { storageClass, serverSideEncryption, kmsKeyId } = this.settings.placement
    return {
      Metadata: { [TAG]: tag },
      ContentType: 'application/octet-stream',
      ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
      ...(serverSideEncryption !== undefined && { ServerSideEncryption: serverSideEncryption }),
      ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId })
    }
  }

  protected alone() {
    return this.settings.exclusive ? { IfNoneMatch: '*' } : {}
  }

  protected from({ key, etag }: Source) {
    const { Bucket, Key } = this.at(key)
    const name = Key.split('/').map(encodeURIComponent).join('/')
    return { CopySource: `${Bucket}/${name}`, CopySourceIfMatch: etag }
  }
}
