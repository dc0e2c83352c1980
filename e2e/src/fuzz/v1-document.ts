import type { ApiDocument, Operation, Schema } from '../api-document.ts'

const text: Schema = { type: 'string', maxLength: 40 }
const count: Schema = { type: 'integer' }
const word = (...words: string[]): Schema => ({ type: 'string', examples: words })
const flag = word('true', 'false', '1', 'yes', 'none')

const inPath = (...names: string[]) =>
  names.map((name) => ({ name, in: 'path', schema: { type: 'string' } }))
const inQuery = (all: Readonly<Record<string, Schema>>) =>
  Object.entries(all).map(([name, schema]) => ({ name, in: 'query', schema }))
const inHeaders = (all: Readonly<Record<string, Schema>>) =>
  Object.entries(all).map(([name, schema]) => ({ name, in: 'header', schema }))

const FORMATS = word('raw', 'qcow2', 'bare', 'aki', 'ami', 'ovf', 'x')

const LIST = inQuery({
  ...{ name: text, status: word('active', 'queued', 'deleted', 'killed'), disk_format: FORMATS },
  ...{ container_format: FORMATS, min_ram: count, min_disk: count, size_min: count },
  ...{ size_max: count, protected: flag, is_public: flag, 'property-a': text, limit: count },
  ...{ marker: word('x'), sort_dir: word('asc', 'desc') },
  sort_key: word('name', 'size', 'status', 'created_at', 'updated_at', 'id', 'owner'),
  'changes-since': word('2020-01-01', '20300101', 'x', '2020-01-01T00:00:00Z')
})

const META = inHeaders({
  ...{ 'x-image-meta-name': text, 'x-image-meta-size': count, 'x-image-meta-min-ram': count },
  ...{ 'x-image-meta-disk_format': FORMATS, 'X-Image-Meta-Container-Format': FORMATS },
  ...{ 'x-image-meta-is_public': flag, 'x-image-meta-protected': flag, 'x-image-meta-owner': text },
  ...{ 'x-image-meta-property-a': text, 'x-image-meta-property-B-c': text },
  ...{ 'x-image-meta-checksum': text, 'x-image-meta-id': { type: 'string', format: 'uuid' } },
  ...{ 'x-image-meta-status': word('active', 'killed'), 'x-image-meta-foo': text },
  'x-image-meta-location': word('http://127.0.0.1:1/x', 'file:///etc/passwd', 's3://a:b@c/d'),
  'x-tank-api-copy-from': word('http://127.0.0.1:1/x', 'file:///etc/passwd', 'config://x/y'),
  'x-tank-registry-purge-props': flag
})

const DATA = { content: { 'application/octet-stream': { schema: {} } } }
const ANSWERS = { responses: {} }
const membership: Schema = {
  type: 'object',
  properties: { member_id: word('P1', 'P2', 't'), can_share: { type: 'boolean' } },
  required: ['member_id']
}
const inJson = (schema: Schema) => ({ content: { 'application/json': { schema } } })

type Item = Readonly<Record<string, Omit<Operation, 'method' | 'path'>>>

const image = inPath('id')
const member = inPath('id', 'member')

const PATHS: Readonly<Record<string, Item>> = {
  '/v1/images': {
    get: { ...ANSWERS, parameters: LIST },
    post: { ...ANSWERS, parameters: META, requestBody: DATA }
  },
  '/v1/images/detail': { get: { ...ANSWERS, parameters: LIST } },
  '/v1/images/{id}': {
    get: { ...ANSWERS, parameters: image },
    head: { ...ANSWERS, parameters: image },
    put: { ...ANSWERS, parameters: [...image, ...META], requestBody: DATA },
    delete: { ...ANSWERS, parameters: image }
  },
  '/v1/images/{id}/members': {
    get: { ...ANSWERS, parameters: image },
    put: {
      ...ANSWERS,
      parameters: image,
      requestBody: inJson({
        type: 'object',
        properties: { memberships: { type: 'array', items: membership } },
        required: ['memberships']
      })
    }
  },
  '/v1/images/{id}/members/{member}': {
    put: {
      ...ANSWERS,
      parameters: member,
      requestBody: inJson({ type: 'object', properties: { member: membership } })
    },
    delete: { ...ANSWERS, parameters: member }
  },
  '/v1/shared-images/{member}': { get: { ...ANSWERS, parameters: inPath('member') } },
  '/v1/cached_images': { get: ANSWERS },
  '/v1/queued_images/{id}': { put: { ...ANSWERS, parameters: image } }
}

/** A document with the routes of the Image API v1 beside those that it has, to make requests of. */
export function withV1(document: ApiDocument): ApiDocument {
  return { ...document, paths: { ...document.paths, ...(PATHS as ApiDocument['paths']) } }
}
