import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
  UploadPartCommand,
  UploadPartCopyCommand
} from '@aws-sdk/client-s3'
import { type ByteRange, StoreError } from '@tank/store'
import type { CallOptions } from './calls.ts'
import { signWith } from './payload.ts'
import { type Payload, Requests, type Source } from './requests.ts'

export interface UploadId {
  readonly key: string
  readonly id: string
}

export interface FinishedPart {
  readonly PartNumber: number
  readonly ETag: string | undefined
}

/** The requests for multipart uploads. */
export class Multipart extends Requests {
  async createUpload(key: string, tag: string, options: CallOptions): Promise<UploadId> {
    const command = new CreateMultipartUploadCommand({ ...this.at(key), ...this.made(tag) })
    const created = await this.run((http) => this.client.send(command, http), options)
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
    const { ETag } = await this.run((http) => this.client.send(command, http), options)
    return { PartNumber: number, ETag }
  }

  async completeUpload(
    { key, id }: UploadId,
    parts: readonly FinishedPart[],
    options: CallOptions
  ): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.at(key),
      ...this.alone(),
      UploadId: id,
      MultipartUpload: { Parts: parts.toSorted((a, b) => a.PartNumber - b.PartNumber) }
    })
    const run = { ...options, long: true }
    await this.run((http) => this.client.send(command, http), run)
  }

  async abortUpload({ key, id }: UploadId, options: CallOptions): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.at(key), UploadId: id })
    await this.run((http) => this.client.send(command, http), options)
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
      ...this.from(from),
      UploadId: id,
      PartNumber: number,
      CopySourceRange: `bytes=${offset}-${offset + length - 1}`
    })
    const run = { ...options, long: true }
    const { CopyPartResult } = await this.run((http) => this.client.send(command, http), run)
    return { PartNumber: number, ETag: CopyPartResult?.ETag }
  }

  /** Names in the answer are those of the objects, prefix included. */
  uploads(
    prefix: string,
    after: { key?: string | undefined; id?: string | undefined },
    options: CallOptions
  ): Promise<ListMultipartUploadsCommandOutput> {
    const command = new ListMultipartUploadsCommand({
      Bucket: this.settings.bucket,
      Prefix: prefix,
      KeyMarker: after.key,
      UploadIdMarker: after.id
    })
    return this.run((http) => this.client.send(command, http), options)
  }

  parts(
    { key, id }: UploadId,
    after: string | undefined,
    options: CallOptions
  ): Promise<ListPartsCommandOutput> {
    const at = { ...this.at(key), UploadId: id, PartNumberMarker: after }
    const command = new ListPartsCommand(at)
    return this.run((http) => this.client.send(command, http), options)
  }
}
