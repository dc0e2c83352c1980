import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand
} from '@aws-sdk/client-s3'
import { type ByteRange, isStoreError, StoreError } from '@tank/store'
import type { CallOptions } from './calls.ts'
import { causeCode, notFound } from './errors.ts'
import { Multipart } from './multipart.ts'
import { signWith } from './payload.ts'
import { type Payload, type Source, TAG } from './requests.ts'

export interface ObjectInfo {
  readonly size: number
  readonly etag: string | undefined
  /** Which put it is from. */
  readonly tag: string | undefined
}

/** The requests of S3's API that the store makes, on one bucket. Keys are those of the store. */
export class Bucket extends Multipart {
  /** Undefined when nothing is there, which may also be the bucket. */
  async find(key: string, options: CallOptions): Promise<ObjectInfo | undefined> {
    const command = new HeadObjectCommand(this.at(key))
    try {
      const head = await this.run((http) => this.client.send(command, http), options)
      if (head.ContentLength === undefined) throw noLength()
      return { size: head.ContentLength, etag: head.ETag, tag: head.Metadata?.[TAG] }
    } catch (error) {
      if (isStoreError(error, 'NOT_FOUND')) return undefined
      // An answer to HEAD says nothing but its status; one to GET says why.
      if (isStoreError(error, 'DENIED') || isStoreError(error, 'FAILED')) await this.reach(options)
      throw error
    }
  }

  /** NOT_FOUND only when the bucket is there: an image that cannot be seen is not gone. */
  async head(key: string, options: CallOptions): Promise<ObjectInfo> {
    const found = await this.find(key, options)
    if (found !== undefined) return found
    await this.reach(options).catch((error: unknown) => {
      // Who may not list may still read.
      if (!isStoreError(error) || causeCode(error) !== 'AccessDenied') throw error
    })
    throw notFound()
  }

  /** Rejects when the bucket is not there, or not for us. */
  async reach(options: CallOptions): Promise<void> {
    const { bucket, prefix } = this.settings
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })
    await this.run((http) => this.client.send(command, http), options)
  }

  get(
    key: string,
    range: ByteRange | undefined,
    options: CallOptions
  ): Promise<GetObjectCommandOutput> {
    const bytes = range && `bytes=${range.offset}-${range.offset + range.length - 1}`
    const command = new GetObjectCommand({ ...this.at(key), Range: bytes })
    return this.run((http) => this.client.send(command, http), options)
  }

  async put(key: string, tag: string, payload: Payload, options: CallOptions): Promise<void> {
    const command = new PutObjectCommand({
      ...this.at(key),
      ...this.made(tag),
      ...this.alone(),
      Body: payload.bytes,
      ContentLength: payload.bytes.byteLength
    })
    signWith(command, payload.sha256)
    await this.run((http) => this.client.send(command, http), options)
  }

  async delete(key: string, options: CallOptions): Promise<void> {
    const command = new DeleteObjectCommand(this.at(key))
    try {
      await this.run((http) => this.client.send(command, http), options)
    } catch (error) {
      if (!isStoreError(error, 'NOT_FOUND')) throw error
    }
  }

  objects(after: string | undefined, options: CallOptions): Promise<ListObjectsV2CommandOutput> {
    const { bucket, prefix } = this.settings
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      Prefix: prefix,
      // Keeps out, on the server, whatever lies deeper than our own names.
      Delimiter: '/',
      ContinuationToken: after
    })
    return this.run((http) => this.client.send(command, http), options)
  }

  async copy(from: Source, to: string, tag: string, options: CallOptions): Promise<void> {
    const command = new CopyObjectCommand({
      ...this.at(to),
      ...this.made(tag),
      ...this.alone(),
      ...this.from(from),
      MetadataDirective: 'REPLACE'
    })
    const run = { ...options, long: true }
    await this.run((http) => this.client.send(command, http), run)
  }
}

function noLength(): StoreError {
  return new StoreError('FAILED', 'the server does not say how long the object is')
}
