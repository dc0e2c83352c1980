import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type FakeServer, type SeenRequest, sendJson, serve, type Teardown } from './fake-server.ts'
import { createV1 } from './fake-v1.ts'

interface FakeImage extends Record<string, unknown> {
  bytes: Buffer | undefined
  members: Record<string, unknown>[]
  tasks: object[]
}

const STORES = [
  { id: 'main', default: 'true' },
  { id: 'copies' },
  { id: 'web', 'read-only': 'true' }
]

/** A provider that trusts everyone. */
function oidc(pathname: string, request: SeenRequest, response: ServerResponse): unknown {
  const issuer = `http://${request.headers.host}/oidc`
  if (pathname.endsWith('/token')) {
    return sendJson(response, 200, { access_token: 'of oidc', expires_in: 60 })
  }
  return sendJson(response, 200, { issuer, token_endpoint: `${issuer}/token` })
}

/** As much of an image service as the recipes need, in memory. */
export function serveImages(t: Teardown): Promise<FakeServer> {
  const images = new Map<string, FakeImage>()
  const v1 = createV1()
  return serve(t, (request, response, count) => {
    const { pathname } = new URL(request.url, 'http://fake')
    if (pathname.startsWith('/v1/')) return v1(request, response, count)
    const [, , , id, part] = pathname.split('/')
    if (pathname.startsWith('/oidc/')) return oidc(pathname, request, response)
    if (pathname === '/v2/info/stores') return sendJson(response, 200, { stores: STORES })
    if (pathname === '/') return sendJson(response, 300, { versions: [{ id: 'v2.9' }] })
    if (id === undefined) return collection(images, request, response)
    const image = images.get(id)
    if (image === undefined) return sendJson(response, 404, { error: { message: 'no image' } })
    if (part === 'file') return file(image, request, response)
    if (part === 'members') return members(image, request, response)
    if (part === 'import') return startImport(image, request, response)
    if (part === 'tasks') return sendJson(response, 200, { tasks: image.tasks })
    if (part === 'tags') return response.writeHead(204).end()
    if (request.method === 'DELETE') {
      images.delete(id)
      return response.writeHead(204).end()
    }
    if (request.method === 'PATCH') patch(image, request)
    return sendJson(response, 200, shown(image))
  })
}

function collection(
  images: Map<string, FakeImage>,
  request: SeenRequest,
  response: ServerResponse
): unknown {
  if (request.method !== 'POST') {
    const name = new URL(request.url, 'http://fake').searchParams.get('name')
    const found = [...images.values()].filter((image) => name === null || image.name === name)
    return sendJson(response, 200, { images: found.map(shown) })
  }
  const fields = JSON.parse(String(request.body))
  const image: FakeImage = { ...fields, status: 'queued', bytes: undefined, members: [], tasks: [] }
  images.set(fields.id, image)
  return sendJson(response, 201, shown(image))
}

function startImport(image: FakeImage, request: SeenRequest, response: ServerResponse): unknown {
  const { method, stores = ['main'] } = JSON.parse(String(request.body))
  const created_at = new Date().toISOString()
  const request_id = `req-${image.tasks.length}`
  image.tasks.push({ id: request_id, status: 'success', request_id, created_at })
  if (method.name === 'web-download') put(image, Buffer.from('fetched'))
  image.stores = [image.stores, ...stores].filter((each) => each !== undefined).join(',')
  return response.writeHead(202, { 'x-openstack-request-id': request_id }).end()
}

function put(image: FakeImage, bytes: Buffer): void {
  const value = createHash('sha512').update(bytes).digest('hex')
  const facts = { status: 'active', size: bytes.length, os_hash_algo: 'sha512' }
  Object.assign(image, facts, { bytes, os_hash_value: value })
}

function file(image: FakeImage, request: SeenRequest, response: ServerResponse): unknown {
  if (request.method !== 'GET') {
    put(image, request.body)
    return response.writeHead(204).end()
  }
  const bytes = image.bytes ?? Buffer.alloc(0)
  const [, first, last = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const part = bytes.subarray(Number(first ?? 0), last === '' ? undefined : Number(last) + 1)
  const headers: Record<string, string> = { 'content-length': String(part.length) }
  if (first !== undefined) {
    headers['content-range'] = `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`
  }
  return response.writeHead(first === undefined ? 200 : 206, headers).end(part)
}

function members(image: FakeImage, request: SeenRequest, response: ServerResponse): unknown {
  if (request.method === 'GET') return sendJson(response, 200, { members: image.members })
  if (request.method === 'PUT') {
    const [member] = image.members
    return sendJson(response, 200, Object.assign(member ?? {}, JSON.parse(String(request.body))))
  }
  const member = { member_id: JSON.parse(String(request.body)).member, status: 'pending' }
  image.members.push(member)
  return sendJson(response, 200, member)
}

function patch(image: FakeImage, request: SeenRequest): void {
  for (const { op, path, value } of JSON.parse(String(request.body))) {
    if (op === 'remove') delete image[path.slice(1)]
    else image[path.slice(1)] = value
  }
}

function shown(image: FakeImage): Record<string, unknown> {
  const { bytes, members, tasks, ...rest } = image
  return rest
}
