import type { FindingCode } from './findings.ts'
import type { Appliance } from './formats/ovf-facts.ts'
import type { Compression, FormatName, Member, Report } from './report.ts'
import type { Part, Steps } from './steps.ts'

/** What the reader of a format notes down. */
export interface Facts {
  subformat: string | undefined
  encrypted: boolean
  compressedBy: Compression | undefined
  declaredSize: number | undefined
  /** What the raw bytes inside hold. */
  content: string | undefined
  /** The image is raw bytes followed by a trailer, so a partition table in it is no second format. */
  isTrailer: boolean
  /** A partition table that makes sense, and not just its signature. */
  isPlausible: boolean
  readonly members: Member[]
  /** What is packed in it. */
  inner: Report | undefined
  appliance: Appliance | undefined
}

/** An archive's member while it passes, or what is unpacked. */
export interface OpenPart extends Part {
  report(): Report
  end(size?: number): void
  /** Whether bytes that come next are looked at. Without them it only waits for the end. */
  readonly wantsMore: boolean
}

/** Bytes that may still be unpacked of an image and all that lies in it. */
export interface Budget {
  left: number
}

/** The notebook of one reader. */
export interface Examination {
  readonly facts: Facts
  report(code: FindingCode, offset: number): void
  /** Notes the virtual size, whose field stands at the offset. */
  size(bytes: number, offset: number): void
  /** A judge for a member that begins at the offset; none inside of a member. */
  open(member: number, offset: number): OpenPart | undefined
  /** Takes over what was found in the open member, and what it is. */
  close(): Report | undefined
  readonly budget: Budget
  /** A judge for what is packed here; none for what is unpacked already, which goes one layer deep. */
  unpack(): OpenPart | undefined
  /** Notes what is packed, from the offset on. */
  unpacked(inner: Report, offset: number): void
  /** Notes how large the file says to be once it is unpacked. */
  declares(bytes: number | undefined, offset: number): void
}

export interface Format {
  readonly name: FormatName
  /** Holds other images. */
  readonly isArchive?: boolean
  /** Whether the bytes claim to be of this format; asks for no more than it takes. */
  detect(): Steps<boolean>
  /** Reads on once they do; where that is missing there is nothing but the name. */
  examine?(examination: Examination): Steps<void>
}
