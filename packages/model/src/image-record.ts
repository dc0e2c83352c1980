import type { ImageAttributes } from './image.ts'

/**
 * An image as `GET /v1/records` of the Registry API returns it: custom properties apart, times with
 * all their digits (RFC 3339, UTC), and also of images that are deleted.
 */
export interface ImageRecord extends ImageAttributes {
  /** null unless the image is deleted */
  readonly deleted_at: string | null
  /** bytes; what was said of data that is still to come */
  readonly announced_size: number | null
  readonly announced_checksum: string | null
  readonly properties: Readonly<Record<string, string>>
  /** Goes up with every change. */
  readonly version: number
}

/** A member of an image, as far as the Image API v1 knows it. */
export interface Membership {
  readonly member_id: string
  /** Whether the member may share the image with others. */
  readonly can_share: boolean
}

/** An image that a member has got. */
export interface SharedImage {
  readonly image_id: string
  readonly can_share: boolean
}

/** A membership as it is asked for; without `can_share` a known one stays, a new one may not share. */
export interface MembershipWish {
  readonly member_id: string
  readonly can_share?: boolean
}
