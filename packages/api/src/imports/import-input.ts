import type { AnnouncedData } from '@tank/model'
import { isRecord } from '../locations/input.ts'
import { type RemoteRequest, readRemoteRequest } from '../remotes/remote-request.ts'
import type { ImportRequest } from './import-request.ts'

/** The input of an import task, as the registry keeps it and people see it. */
export function importInput(
  imageId: string,
  request: Pick<ImportRequest, 'body'>,
  stores: readonly string[]
) {
  return { image_id: imageId, import_req: request.body, backend: stores }
}

/** What data is said to be; only the data itself can contradict it. */
function readAnnounced({ size, checksum }: Readonly<Record<string, unknown>>): AnnouncedData {
  return {
    size: typeof size === 'number' ? size : null,
    checksum: typeof checksum === 'string' ? checksum : null
  }
}

/**
 * Reads what a worker needs of the input of an import, or of an import task. What a task says beside
 * its own keys was never looked at, and counts for nothing.
 */
export function readImportInput({
  import_from,
  import_req,
  announced
}: Readonly<Record<string, unknown>>): {
  readonly uri: string | undefined
  readonly remote: RemoteRequest | undefined
  readonly announced?: AnnouncedData
} {
  if (isRecord(announced)) {
    return { ...readImportInput({ import_from, import_req }), announced: readAnnounced(announced) }
  }
  if (typeof import_from === 'string') return { uri: import_from, remote: undefined }
  const method = isRecord(import_req) && isRecord(import_req.method) ? import_req.method : {}
  const { name, uri } = method
  if (name === 'glance-download') return { uri: undefined, remote: readRemoteRequest(method) }
  return { uri: typeof uri === 'string' ? uri : undefined, remote: undefined }
}
