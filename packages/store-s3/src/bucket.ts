import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand
} from '@aws-sdk/client-s3'
import { type ByteRange, isStoreError, StoreError } from '@tank/store'
import type { CallOptions, Calls } from './calls.ts'
import { causeCode, notFound } from './errors.ts'
import type { Settings } from './options.ts'
import { signWith } from './payload.ts'

export interface ObjectInfo {
  readonly size: number
  readonly etag: string | undefined
  /** Which put it is from. */
  readonly tag: string | undefined
}

/** Bytes of a request, and their SHA-256 when it is to be signed. */
export interface Payload {
  readonly bytes: Uint8Array
  readonly sha256: string | undefined
}

export interface UploadId {
  readonly key: string
  readonly id: string
}

export interface FinishedPart {
  readonly PartNumber: number
  readonly ETag: string | undefined
}

/** Objects carry the id of the put that made them, so that a put knows its own after a lost answer. */
const TAG = 'tank-put'

/** The requests of S3's API that the store makes, on one bucket. Keys are those of the store. */
export class Bucket {
  readonly #client: S3Client
  readonly #calls: Calls
  readonly #settings: Settings

  constructor(client: S3Client, calls: Calls, settings: Settings) {
    this.#client = client
    this.#calls = calls
    this.#settings = settings
  }

  at(key: string): { Bucket: string; Key: string } {
    const { bucket, prefix } = this.#settings
    return { Bucket: bucket, Key: `${prefix}${key}` }
  }

  /** Undefined when nothing is there, which may also be the bucket. */
  async find(key: string, options: CallOptions): Promise<ObjectInfo | undefined> {
    const command = new HeadObjectCommand(this.at(key))
    try {
      const head = await this.#calls.run((http) => this.#client.send(command, http), options)
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
    const { bucket, prefix } = this.#settings
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })
    await this.#calls.run((http) => this.#client.send(command, http), options)
  }

  get(
    key: string,
    range: ByteRange | undefined,
    options: CallOptions
  ): Promise<GetObjectCommandOutput> {
    const bytes = range && `bytes=${range.offset}-${range.offset + range.length - 1}`
    const command = new GetObjectCommand({ ...this.at(key), Range: bytes })
    return this.#calls.run((http) => this.#client.send(command, http), options)
  }

  async put(key: string, tag: string, payload: Payload, options: CallOptions): Promise<void> {
    const command = new PutObjectCommand({
      ...this.at(key),
      ...this.#made(tag),
      ...this.#alone(),
      Body: payload.bytes,
      ContentLength: payload.bytes.byteLength
    })
    signWith(command, payload.sha256)
    await this.#calls.run((http) => this.#client.send(command, http), options)
  }

  async delete(key: string, options: CallOptions): Promise<void> {
    const command = new DeleteObjectCommand(this.at(key))
    try {
      await this.#calls.run((http) => this.#client.send(command, http), options)
    } catch (error) {
      if (!isStoreError(error, 'NOT_FOUND')) throw error
    }
  }

  async createUpload(key: string, tag: string, options: CallOptions): Promise<UploadId> {
    const command = new CreateMultipartUploadCommand({ ...this.at(key), ...this.#made(tag) })
    const created = await this.#calls.run((http) => this.#client.send(command, http), options)
    if (created.UploadId === undefined) throw new StoreError('FAILED', 'the upload has no id')
    return { key, id: created.UploadId }
  }

  async putPart(
    { key, id }: UploadId,
    number: number,
    payload: Payload,
    options: CallOptions
  ): Promise<FinishedPart> {
    const command = new UploadPartCommand({
      ...this.at(key),
      UploadId: id,
      PartNumber: number,
      Body: payload.bytes,
      ContentLength: payload.bytes.byteLength
    })
    signWith(command, payload.sha256)
    const { ETag } = await this.#calls.run((http) => this.#client.send(command, http), options)
    return { PartNumber: number, ETag }
  }

  async completeUpload(
    { key, id }: UploadId,
    parts: readonly FinishedPart[],
    options: CallOptions
  ): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.at(key),
      ...this.#alone(),
      UploadId: id,
      MultipartUpload: { Parts: parts.toSorted((a, b) => a.PartNumber - b.PartNumber) }
    })
    const run = { ...options, long: true }
    await this.#calls.run((http) => this.#client.send(command, http), run)
  }

  async abortUpload({ key, id }: UploadId, options: CallOptions): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.at(key), UploadId: id })
    await this.#calls.run((http) => this.#client.send(command, http), options)
  }

  /** Names in the answer are those of the objects, prefix included. */
  uploads(
    prefix: string,
    after: { key?: string | undefined; id?: string | undefined },
    options: CallOptions
  ): Promise<ListMultipartUploadsCommandOutput> {
    const command = new ListMultipartUploadsCommand({
      Bucket: this.#settings.bucket,
      Prefix: prefix,
      KeyMarker: after.key,
      UploadIdMarker: after.id
    })
    return this.#calls.run((http) => this.#client.send(command, http), options)
  }

  parts(
    { key, id }: UploadId,
    after: string | undefined,
    options: CallOptions
  ): Promise<ListPartsCommandOutput> {
    const at = { ...this.at(key), UploadId: id, PartNumberMarker: after }
    const command = new ListPartsCommand(at)
    return this.#calls.run((http) => this.#client.send(command, http), options)
  }

  objects(after: string | undefined, options: CallOptions): Promise<ListObjectsV2CommandOutput> {
    const { bucket, prefix } = this.#settings
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      Prefix: prefix,
      // Keeps out, on the server, whatever lies deeper than our own names.
      Delimiter: '/',
      ContinuationToken: after
    })
    return this.#calls.run((http) => this.#client.send(command, http), options)
  }

  async copy(from: Source, to: string, tag: string, options: CallOptions): Promise<void> {
    const command = new CopyObjectCommand({
      ...this.at(to),
      ...this.#made(tag),
      ...this.#alone(),
      ...this.#from(from),
      MetadataDirective: 'REPLACE'
    })
    const run = { ...options, long: true }
    await this.#calls.run((http) => this.#client.send(command, http), run)
  }

  async copyPart(
    { key, id }: UploadId,
    number: number,
    from: Source & { readonly range: ByteRange },
    options: CallOptions
  ): Promise<FinishedPart> {
    const { offset, length } = from.range
    const command = new UploadPartCopyCommand({
      ...this.at(key),
      ...this.#from(from),
      UploadId: id,
      PartNumber: number,
      CopySourceRange: `bytes=${offset}-${offset + length - 1}`
    })
    const run = { ...options, long: true }
    const { CopyPartResult } = await this.#calls.run(
      (http) => this.#client.send(command, http),
      run
    )
    return { PartNumber: number, ETag: CopyPartResult?.ETag }
  }

  // No ACL anywhere: new objects are private, and buckets without ACLs refuse any (S-23).
  #made(tag: string) {
    const { storageClass, serverSideEncryption, kmsKeyId } = this.#settings.placement
    return {
      Metadata: { [TAG]: tag },
      ContentType: 'application/octet-stream',
      ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
      ...(serverSideEncryption !== undefined && { ServerSideEncryption: serverSideEncryption }),
      ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId })
    }
  }

  #alone() {
    return this.#settings.exclusive ? { IfNoneMatch: '*' } : {}
  }

  #from({ key, etag }: Source) {
    const { Bucket, Key } = this.at(key)
    const name = Key.split('/').map(encodeURIComponent).join('/')
    return { CopySource: `${Bucket}/${name}`, CopySourceIfMatch: etag }
  }
}

/** An object to copy, in the state in which it was found. */
export interface Source {
  readonly key: string
  readonly etag: string | undefined
}

function noLength(): StoreError {
  return new StoreError('FAILED', 'the server does not say how long the object is')
}
