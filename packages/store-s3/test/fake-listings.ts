// The fake server's listings. Their pages are small, so that every listing has several.
import type { ServerResponse } from 'node:http'
import { send, xml } from './fake-answers.ts'
import type { FakeObject, FakeUpload } from './fake-s3.ts'

const PAGE = 3

export function listParts(
  response: ServerResponse,
  all: ReadonlyMap<number, FakeObject>,
  query: URLSearchParams
): void {
  const after = Number(query.get('part-number-marker') ?? 0)
  const parts = [...all].sort(([a], [b]) => a - b).filter(([number]) => number > after)
  const page = parts.slice(0, PAGE)
  const items = page.map(([number, { bytes, etag }]) => {
    return xml('Part', { PartNumber: String(number), Size: String(bytes.length), ETag: etag })
  })
  send(
    response,
    200,
    xml(
      'ListPartsResult',
      {
        IsTruncated: String(parts.length > PAGE),
        NextPartNumberMarker: String(page.at(-1)?.[0] ?? after)
      },
      items
    )
  )
}

export function listUploads(
  response: ServerResponse,
  uploads: readonly FakeUpload[],
  query: URLSearchParams
): void {
  const prefix = query.get('prefix') ?? ''
  const after = `${query.get('key-marker') ?? ''} ${query.get('upload-id-marker') ?? ''}`
  const all = uploads
    .filter(({ key, id }) => key.startsWith(prefix) && `${key} ${id}` > after)
    .sort((a, b) => (`${a.key} ${a.id}` < `${b.key} ${b.id}` ? -1 : 1))
  const page = all.slice(0, PAGE)
  const items = page.map(({ key, id }) => {
    return xml('Upload', { Key: key, UploadId: id, Initiated: new Date().toISOString() })
  })
  send(
    response,
    200,
    xml(
      'ListMultipartUploadsResult',
      {
        IsTruncated: String(all.length > PAGE),
        NextKeyMarker: page.at(-1)?.key ?? '',
        NextUploadIdMarker: page.at(-1)?.id ?? ''
      },
      items
    )
  )
}

export function listObjects(
  response: ServerResponse,
  objects: ReadonlyMap<string, FakeObject>,
  query: URLSearchParams
): void {
  const prefix = query.get('prefix') ?? ''
  const after = query.get('continuation-token') ?? ''
  const all = [...objects]
    .filter(([key]) => key.startsWith(prefix) && key > after)
    .filter(([key]) => !query.has('delimiter') || !key.slice(prefix.length).includes('/'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const page = all.slice(0, Number(query.get('max-keys') ?? PAGE))
  const items = page.map(([key, { bytes, modified }]) => {
    return xml('Contents', {
      Key: key,
      Size: String(bytes.length),
      LastModified: modified.toISOString()
    })
  })
  const isTruncated = page.length < all.length
  send(
    response,
    200,
    xml(
      'ListBucketResult',
      {
        IsTruncated: String(isTruncated),
        ...(isTruncated && { NextContinuationToken: page.at(-1)?.[0] ?? '' })
      },
      items
    )
  )
}
