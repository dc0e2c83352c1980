import type { Readable, Writable } from 'node:stream'

/** A part of an image: never negative, never empty, never past the end. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

export interface CallOptions {
  /** Ends the call: it rejects with `signal.reason` as it is. */
  readonly signal?: AbortSignal | undefined
}

export interface GetOptions extends CallOptions {
  readonly range?: ByteRange | undefined
}

export interface PutOptions extends CallOptions {
  /** The exact number of bytes that will come, when the sender declared it. */
  readonly size?: number | undefined
}

export interface ImageStat {
  /** Bytes of the whole image; undefined when the backend does not say. */
  readonly size: number | undefined
}

/**
 * The bytes of a stored image. The caller takes one way out, once: it reads `body` to its end or
 * destroys it, or it calls `pump`.
 */
export interface ImageSource extends ImageStat {
  readonly body: Readable
  /**
   * Writes every byte to `to` and does not end it; settles when nothing of the source is in use
   * any more. Blocks are used again as soon as `to` calls back, so `to` must then be done with
   * them: true for sockets and HTTP responses, false for a PassThrough. After a rejection `to` may
   * hold a part of the bytes: the caller destroys it.
   */
  pump?(to: Writable, options?: CallOptions): Promise<void>
}

export interface StoredImage {
  readonly size: number
}

export interface PresignOptions extends CallOptions {
  /** How long the URL works. */
  readonly seconds: number
}

/** What a store holds under one key. */
export interface StoredEntry {
  readonly key: string
  /** Bytes that it takes, parts and temporary files included. */
  readonly size: number
  /** When it was last written to; undefined when the backend does not say. */
  readonly modified: Date | undefined
  /** False: only what a put left behind, or has written so far; `get` finds nothing there. */
  readonly complete: boolean
}

/** What no method shows. Constant for the life of a store. */
export interface StoreFeatures {
  /** `get` can send a part. */
  readonly ranges: boolean
  /** `put` takes a body whose size nobody declared. */
  readonly unknownSize: boolean
  /** Of several puts of one key at most one succeeds; a taken key gives EXISTS. */
  readonly exclusive: boolean
  /** The bytes lie on disks of this machine: a second copy on them would gain nothing. */
  readonly local?: boolean | undefined
  readonly maxSize?: number | undefined
}

/**
 * Keeps bytes, each sequence at an opaque key. A missing method is the missing capability.
 * Every failure but an abort is a StoreError.
 */
export interface Store {
  /** The kind of backend, such as `fs` or `s3`. */
  readonly type: string
  readonly features: StoreFeatures
  stat(key: string, options?: CallOptions): Promise<ImageStat>
  /**
   * Settles only when the backend has agreed to send, so that "not found" is a rejection and never
   * a late stream error. A body that ends early ends with an error.
   */
  get(key: string, options?: GetOptions): Promise<ImageSource>
  /**
   * All or nothing: after a rejection nothing is at the key, and no part, segment or temporary
   * file is left. The store reads the body to its end; on a failure it destroys it.
   */
  put?(key: string, body: Readable, options?: PutOptions): Promise<StoredImage>
  /**
   * Resolves when nothing is at the key, whether or not something was, and so may be repeated. It
   * also removes whatever a killed `put` of the key left behind.
   */
  delete?(key: string, options?: CallOptions): Promise<void>
  /** How the outside names the image; without credentials. */
  url?(key: string): URL
  /** A URL that lets everybody read the image, by whole or by range, until it expires. */
  presign?(key: string, options: PresignOptions): Promise<URL>
  /**
   * Makes a second copy within the backend, without its bytes passing through here. All or nothing,
   * as `put`; NOT_FOUND when nothing is at `from`.
   */
  copy?(from: string, to: string, options?: CallOptions): Promise<StoredImage>
  /** Everything that the store holds, each key once, in no order; other people's names are left out. */
  list?(options?: CallOptions): AsyncIterable<StoredEntry>
  /** Only stores of outside locations have it: their key is the URL. */
  accepts?(url: URL): boolean
  /** Rejects when the store cannot do its work now. */
  check?(options?: CallOptions): Promise<void>
  close?(): Promise<void>
}

export type WritableStore = Store & Required<Pick<Store, 'put' | 'delete'>>

export function isWritable(store: Store): store is WritableStore {
  return store.put !== undefined && store.delete !== undefined
}
