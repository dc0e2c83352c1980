export type Severity = 'reject' | 'warn'

/**
 * Everything that can be found, by its stable code. `reject` makes an image unsafe, unless the caller
 * says otherwise; the sentences never repeat what stands in the image.
 */
export const FINDINGS = {
  QCOW2_VERSION: ['reject', 'only versions 2 and 3 of qcow2 are known'],
  QCOW2_BACKING_FILE: ['reject', 'names a backing file'],
  QCOW2_DATA_FILE: ['reject', 'keeps its data in another file'],
  QCOW2_UNKNOWN_INCOMPAT: ['reject', 'needs a feature that is not known'],
  QCOW2_EXTENDED_L2: ['warn', 'uses subclusters (extended L2 entries)'],
  QCOW2_CORRUPT: ['reject', 'is marked as corrupt'],
  QCOW2_DIRTY: ['warn', 'was not closed: its reference counts may be wrong'],
  QCOW2_SNAPSHOTS: ['warn', 'holds internal snapshots'],
  QCOW2_AES: ['reject', 'is encrypted with the broken AES method'],
  QCOW2_CRYPT_HEADER: ['reject', 'is encrypted by an unknown method or lacks the LUKS header'],
  QCOW2_TABLE_BOUNDS: ['reject', 'has a header field outside its limits'],
  VMDK_HEADER: ['reject', 'has a header field outside its limits'],
  VMDK_EXTERNAL_EXTENT: ['reject', 'keeps its data in another file'],
  VMDK_PARENT: ['reject', 'names a parent disk'],
  VMDK_SUBFORMAT: ['reject', 'is neither monolithicSparse nor streamOptimized'],
  VMDK_ZERO_CAPACITY: ['reject', 'has the capacity 0'],
  VMDK_UNCLEAN: ['warn', 'was not closed'],
  VMDK_FOOTER_MISMATCH: ['reject', 'ends in a header that differs from the first one'],
  VMDK_DESCRIPTOR_SYNTAX: ['reject', 'has a descriptor that readers may understand differently'],
  VDI_HEADER: ['reject', 'has a header field outside its limits'],
  VDI_DIFFERENCING: ['reject', 'needs a parent disk'],
  VHD_HEADER: ['reject', 'has a header field outside its limits'],
  VHD_DIFFERENCING: ['reject', 'needs a parent disk'],
  VHD_CHECKSUM: ['reject', 'has a wrong checksum'],
  VHD_FOOTER_MISMATCH: ['reject', 'has a footer that fits neither its copy nor the file'],
  VHD_GEOMETRY: ['warn', 'names another size as cylinders, heads and sectors'],
  VHDX_HEADER: ['reject', 'has no valid header'],
  VHDX_REGION_TABLE: ['reject', 'has region tables that are damaged or differ'],
  VHDX_METADATA: ['reject', 'has metadata that are damaged or missing'],
  VHDX_PARENT: ['reject', 'needs a parent disk'],
  VHDX_DIRTY_LOG: ['reject', 'has a log that was not replayed'],
  VHDX_UNKNOWN_REQUIRED: ['reject', 'needs a region or an item that is not known'],
  QED_HEADER: ['reject', 'has a header field outside its limits'],
  QED_BACKING: ['reject', 'names a backing file'],
  QED_DIRTY: ['warn', 'was not closed'],
  PARALLELS_HEADER: ['reject', 'has a header field outside its limits'],
  PARALLELS_IN_USE: ['reject', 'was not closed'],
  LUKS_HEADER: ['reject', 'has a header field outside its limits'],
  LUKS_VERSION: ['reject', 'only versions 1 and 2 of LUKS are known'],
  ISO_HEADER: ['reject', 'has volume descriptors outside their limits'],
  MBR_BOOT_FLAG: ['reject', 'has a partition entry whose boot flag is neither 00 nor 80'],
  MBR_PROTECTIVE: ['reject', 'has a protective partition entry that protects nothing'],
  MBR_EMPTY: ['reject', 'has a boot sector without any partition'],
  GPT_HEADER: ['warn', 'has a damaged partition table header'],
  TAR_HEADER: ['reject', 'has a damaged member header'],
  TAR_LINK: ['reject', 'has a member that is not a regular file'],
  TAR_TRAVERSAL: ['reject', 'has a member whose name leaves the archive'],
  TAR_DUPLICATE: ['reject', 'has two members of one name, or two descriptors'],
  TAR_MEMBERS: ['reject', 'has too many members'],
  OVF_SYNTAX: ['reject', 'has a descriptor that is missing, too large or not well-formed'],
  OVF_EXTERNAL: ['reject', 'has a descriptor that names files outside of it'],
  OVF_DTD: ['reject', 'has a descriptor with a document type or entities'],
  POLYGLOT: ['reject', 'is valid as more than one format'],
  FORMAT_MISMATCH: ['reject', 'is not in the format that was expected'],
  VIRTUAL_SIZE_CAP: ['reject', 'is larger inside than is allowed'],
  EXPANSION_CAP: ['reject', 'is larger than allowed when it is unpacked'],
  COMPRESSION_SYNTAX: ['reject', 'cannot be unpacked'],
  TRUNCATED: ['reject', 'ends too early'],
  TRAILING_DATA: ['warn', 'goes on after its end'],
  OFFSET_BEYOND_EOF: ['reject', 'points behind its own end'],
  INSPECTOR_FAILED: ['reject', 'could not be inspected']
} as const satisfies Record<string, readonly [Severity, string]>

export type FindingCode = keyof typeof FINDINGS

export const FINDING_CODES = Object.keys(FINDINGS) as readonly FindingCode[]

/** Something about an image that whoever takes it should know. */
export interface Finding {
  readonly code: FindingCode
  readonly severity: Severity
  /** Where it stands, in bytes from the start. */
  readonly offset: number
  /** A sentence; holds nothing of the image's own text. */
  readonly message: string
  /** Of archives: the number of the member that it is about, from 0. */
  readonly member?: number
}
