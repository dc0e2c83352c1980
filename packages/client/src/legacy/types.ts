import type { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { CachedImage } from '../cache.ts'

/** Bytes of an image. A text is its own bytes; a file is named by a `URL`. */
export type LegacyData =
  | string
  | Uint8Array
  | Blob
  | URL
  | Readable
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>

type QueryValue = string | number | boolean | null | undefined

/** Which images a list is to have, by the parameters of the Image API v1; null ones are not sent. */
export interface LegacyList {
  /** `name`, `status`, `size_min`, `changes-since`, `property-…` and so on */
  readonly filters?: Readonly<Record<string, QueryValue>> | null | undefined
  /** Id of the last image that was seen. */
  readonly marker?: string | null | undefined
  /** At most so many images; the server has a default and a limit of its own. */
  readonly limit?: number | null | undefined
  /** `created_at` unless told */
  readonly sort_key?: string | null | undefined
  /** `desc` unless told */
  readonly sort_dir?: 'asc' | 'desc' | null | undefined
}

/** Further headers of a request, such as `x-tank-api-copy-from`. */
export type LegacyFeatures = Readonly<Record<string, QueryValue>>

/** A project that an image is shared with. */
export interface LegacyMember {
  readonly member_id: string
  /** Whether it may share the image with others; false unless told. */
  readonly can_share?: boolean
}

/** An image that is shared with a project. */
export interface LegacySharedImage {
  readonly image_id: string
  readonly can_share: boolean
}

/** An image in the cache of a server. */
export type LegacyCachedImage = CachedImage
