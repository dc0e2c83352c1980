import type { FindingCode } from './findings.ts'
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
}

/** An archive's member while it passes. */
export interface OpenPart extends Part {
  report(): Report
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
