import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import {
  type FakeServer,
  type Handler,
  type SeenRequest,
  sendJson,
  serve,
  type Teardown
} from './fake-server.ts'

interface Stored {
  readonly meta: Record<string, unknown>
  readonly properties: Record<string, string>
  bytes: Buffer | undefined
  readonly members: Map<string, boolean>
}

/** As much of an Image API v1 as its client can tell from a real one, in memory. */
export function serveV1(t: Teardown): Promise<FakeServer> {
  return serve(t, createV1())
}

export function createV1(): Handler {
  const images = new Map<string, Stored>()
  const cache = { cached: new Set<string>(), queued: new Set<string>() }
  return (request, response) => {
    const { pathname } = new URL(request.url, 'http://fake')
    const [, version, kind, id, part, member] = pathname.split('/').map(decodeURIComponent)
    if (version !== 'v1') return sendJson(response, 300, { versions: [] })
    if (kind === 'shared-images') return shared(images, String(id), response)
    if (kind === 'cached_images' || kind === 'queued_images') {
      return cacheCall(
        kind === 'cached_images' ? cache.cached : cache.queued,
        kind,
        id,
        request,
        response
      )
    }
    if (id === undefined || id === 'detail') return collection(images, request, response)
    const image = images.get(id)
    if (image === undefined) return refuse(response, 404, 'No image found')
    if (part === 'members') return members(image, member, request, response)
    return one(images, id, image, request, response)
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status} No\n\n${text}\n`)
}

/** The headers of a request as v1 reads them: bytes of UTF-8. */
function readMeta({ headers }: SeenRequest, image: Pick<Stored, 'meta' | 'properties'>): void {
  for (const [name, value] of Object.entries(headers)) {
    const text = Buffer.from(String(value), 'latin1').toString('utf8')
    const [, property, field] = /^x-image-meta-(?:property-(.*)|(.*))$/.exec(name) ?? []
    if (property !== undefined) image.properties[property.replaceAll('-', '_')] = text
    if (field === undefined) continue
    const key = field.replaceAll('-', '_')
    const isNumber = /^(size|min_ram|min_disk)$/.test(key)
    const isTruth = /^(is_public|protected)$/.test(key)
    image.meta[key] = isNumber ? Number(text) : isTruth ? text.toLowerCase() === 'true' : text
  }
}

function documentOf({ meta, properties }: Stored): object {
  return { deleted: false, is_public: false, protected: false, ...meta, properties }
}

function take(image: Stored, request: SeenRequest): void {
  const { headers, body } = request
  const chunked = headers['transfer-encoding'] !== undefined
  const hasBody = chunked || Number(headers['content-length'] ?? 0) > 0
  readMeta(request, image)
  if (!hasBody) return
  const checksum = createHash('md5').update(body).digest('hex')
  Object.assign(image.meta, { status: 'active', size: body.length, checksum })
  image.bytes = body
}

function collection(
  images: Map<string, Stored>,
  request: SeenRequest,
  response: ServerResponse
): unknown {
  if (request.method === 'GET') {
    return sendJson(response, 200, { images: [...images.values()].map(documentOf) })
  }
  const id = crypto.randomUUID()
  const meta = { id, status: 'queued', size: 0, checksum: null }
  const image: Stored = { meta, properties: {}, bytes: undefined, members: new Map() }
  take(image, request)
  images.set(String(image.meta.id), image)
  return sendJson(response, 201, { image: documentOf(image) })
}

function one(
  images: Map<string, Stored>,
  id: string,
  image: Stored,
  request: SeenRequest,
  response: ServerResponse
): unknown {
  if (request.method === 'DELETE') {
    images.delete(id)
    return response.writeHead(200).end()
  }
  if (request.method === 'PUT') {
    if (image.bytes !== undefined && request.body.length > 0) return refuse(response, 409, 'active')
    const hasBody = request.body.length > 0
    const purge = request.headers['x-tank-registry-purge-props'] !== 'false' && !hasBody
    if (purge) for (const name of Object.keys(image.properties)) delete image.properties[name]
    take(image, request)
    return sendJson(response, 200, { image: documentOf(image) })
  }
  const bytes = image.bytes ?? Buffer.alloc(0)
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream' }
  for (const [name, value] of Object.entries({ deleted: false, ...image.meta })) {
    if (value === null) continue
    const text = value === true ? 'True' : value === false ? 'False' : String(value)
    headers[`x-image-meta-${name}`] = Buffer.from(text, 'utf8').toString('latin1')
  }
  for (const [name, value] of Object.entries(image.properties)) {
    headers[`x-image-meta-property-${name}`] = Buffer.from(value, 'utf8').toString('latin1')
  }
  if (request.method === 'HEAD') return response.writeHead(200, headers).end()
  response.writeHead(200, { ...headers, 'content-length': String(bytes.length) })
  return response.end(bytes)
}

function members(
  image: Stored,
  member: string | undefined,
  request: SeenRequest,
  response: ServerResponse
): unknown {
  const body = request.body.length > 0 ? JSON.parse(String(request.body)) : {}
  if (request.method === 'GET') {
    const list = [...image.members].map(([member_id, can_share]) => ({ member_id, can_share }))
    return sendJson(response, 200, { members: list })
  }
  if (member === undefined) {
    image.members.clear()
    for (const { member_id, can_share = false } of body.memberships) {
      image.members.set(member_id, can_share)
    }
  } else if (request.method === 'DELETE') {
    if (!image.members.delete(member)) return refuse(response, 404, 'no such member')
  } else {
    image.members.set(member, body.member?.can_share ?? image.members.get(member) ?? false)
  }
  return response.writeHead(204).end()
}

function shared(images: Map<string, Stored>, member: string, response: ServerResponse): unknown {
  const list = [...images.values()].flatMap(({ meta, members }) =>
    members.has(member) ? [{ image_id: meta.id, can_share: members.get(member) }] : []
  )
  return sendJson(response, 200, { shared_images: list })
}

function cacheCall(
  ids: Set<string>,
  kind: string,
  id: string | undefined,
  request: SeenRequest,
  response: ServerResponse
): unknown {
  if (request.method === 'GET') {
    const cached = (image_id: string) => ({
      image_id,
      hits: 0,
      size: 3,
      last_accessed: 0,
      last_modified: 1
    })
    const list = kind === 'cached_images' ? [...ids].map(cached) : [...ids]
    return sendJson(response, 200, { [kind]: list })
  }
  if (id === undefined) {
    const num_deleted = ids.size
    ids.clear()
    return sendJson(response, 200, { num_deleted })
  }
  if (request.method === 'PUT') ids.add(id)
  else ids.delete(id)
  return response.writeHead(200).end()
}
