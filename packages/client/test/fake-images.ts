import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type FakeServer, type SeenRequest, sendJson, serve, type Teardown } from './fake-server.ts'

interface FakeImage extends Record<string, unknown> {
  bytes: Buffer | undefined
  members: Record<string, unknown>[]
}

/** As much of an image service as the recipes need, in memory. */
export function serveImages(t: Teardown): Promise<FakeServer> {
  const images = new Map<string, FakeImage>()
  return serve(t, (request, response) => {
    const { pathname } = new URL(request.url, 'http://fake')
    const [, , , id, part] = pathname.split('/')
    if (pathname === '/') return sendJson(response, 300, { versions: [{ id: 'v2.9' }] })
    if (id === undefined) return collection(images, request, response)
    const image = images.get(id)
    if (image === undefined) return sendJson(response, 404, { error: { message: 'no image' } })
    if (part === 'file') return file(image, request, response)
    if (part === 'members') return members(image, request, response)
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
    return sendJson(response, 200, { images: [...images.values()].map(shown) })
  }
  const fields = JSON.parse(String(request.body))
  const image: FakeImage = { ...fields, status: 'queued', bytes: undefined, members: [] }
  images.set(fields.id, image)
  return sendJson(response, 201, shown(image))
}

function file(image: FakeImage, request: SeenRequest, response: ServerResponse): unknown {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-length': image.bytes?.length ?? 0 }).end(image.bytes)
    return
  }
  const value = createHash('sha512').update(request.body).digest('hex')
  const facts = { status: 'active', size: request.body.length, os_hash_algo: 'sha512' }
  Object.assign(image, facts, { bytes: request.body, os_hash_value: value })
  response.writeHead(204).end()
}

function members(image: FakeImage, request: SeenRequest, response: ServerResponse): unknown {
  if (request.method === 'GET') return sendJson(response, 200, { members: image.members })
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
  const { bytes, members, ...rest } = image
  return rest
}
