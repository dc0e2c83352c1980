import type { Row } from './access-rows.ts'

const REFUSED = { admin: 403, member: 403, reader: 403, service: 403, nobody: 403 }
const only = (allowed: Partial<Row['statuses']>): Row['statuses'] => ({ ...REFUSED, ...allowed })
const readers = (status: number) => only({ admin: status, member: status, reader: status })
const all = (status: number): Row['statuses'] => ({
  ...{ admin: status, member: status, reader: status, service: status, nobody: status }
})
/** Administrators see what was deleted. */
const TOMBSTONES = { admin: 200 }

const DATA = { 'content-type': 'application/octet-stream' }
const ANY = '00000000-0000-4000-8000-000000000000'

const images: Row[] = [
  ...['', '/images', '/images/detail'].map(
    (path): Row => ({
      route: `GET /v1${path}`,
      actions: ['get_images', 'get_image', 'see_any_image'],
      statuses: readers(200)
    })
  ),
  ...['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map(
    (method): Row => ({ route: `${method} /v1/images/detail`, actions: [], statuses: all(405) })
  ),
  { route: 'PUT /v1/images', actions: [], statuses: all(405) },
  {
    route: 'HEAD /v1/images/:id',
    actions: ['get_image'],
    image: 'queued',
    statuses: readers(200),
    deleted: TOMBSTONES
  },
  {
    route: 'GET /v1/images/:id',
    actions: ['get_image', 'download_image'],
    image: 'active',
    statuses: only({ admin: 200, member: 200 })
  },
  {
    route: 'POST /v1/images',
    actions: ['add_image'],
    headers: { 'x-image-meta-name': 'one' },
    statuses: only({ admin: 201, member: 201 })
  },
  {
    route: 'POST /v1/images',
    actions: ['publicize_image'],
    headers: { 'x-image-meta-is-public': 'true' },
    statuses: only({ admin: 201 })
  },
  {
    route: 'POST /v1/images',
    actions: ['add_image', 'upload_image'],
    headers: {
      ...DATA,
      ...{ 'x-image-meta-disk-format': 'raw', 'x-image-meta-container-format': 'bare' },
      'content-length': '1'
    },
    body: 'x',
    statuses: only({ admin: 201, member: 201 })
  }
]

/** Visible images of others are 404 when they are private, but 403 to who only reads. */
const OTHERS = [403, 404, 404, 403, 403]
const owner = (status: number): Pick<Row, 'statuses' | 'auditor'> => ({
  statuses: only({
    admin: status,
    member: [status, ...OTHERS.slice(1)],
    service: OTHERS
  }),
  auditor: [...OTHERS, 404]
})

const writes: Row[] = [
  {
    route: 'PUT /v1/images/:id',
    actions: ['modify_image'],
    image: 'queued',
    headers: { 'x-image-meta-name': 'new' },
    deleted: { admin: 403 },
    ...owner(200)
  },
  {
    route: 'PUT /v1/images/:id',
    actions: ['modify_image', 'upload_image'],
    image: 'queued',
    headers: { ...DATA, 'content-length': '1' },
    body: 'x',
    deleted: { admin: 403 },
    ...owner(200)
  },
  {
    route: 'DELETE /v1/images/:id',
    actions: ['delete_image'],
    image: 'queued',
    ...owner(200)
  }
]

/** Only who owns an image shares it; to others it is not there, whatever they see of it. */
const sharing = (admin: Row['statuses']['admin'], status: number) =>
  only({ admin, member: [status, 404, 404, 404, 404], reader: [403, 404, 404, 404, 404] })

const members: Row[] = [
  {
    route: 'GET /v1/images/:id/members',
    actions: ['get_image', 'get_members'],
    image: 'queued',
    statuses: readers(200)
  },
  {
    route: 'PUT /v1/images/:id/members',
    actions: ['get_image', 'add_member', 'delete_member'],
    image: 'queued',
    body: [],
    statuses: sharing([204, 204, 204, 204, 204, 403], 204)
  },
  {
    route: 'PUT /v1/images/:id/members/:member',
    actions: ['get_image', 'add_member'],
    image: 'queued',
    statuses: sharing([204, 204, 204, 204, 204, 403], 204)
  },
  {
    route: 'DELETE /v1/images/:id/members/:member',
    actions: ['get_image', 'delete_member'],
    image: 'queued',
    statuses: sharing([204, 204, 204, 404, 404, 403], 204)
  },
  {
    route: 'GET /v1/shared-images/:member',
    actions: ['get_images'],
    statuses: readers(200)
  }
]

const administrators = (route: string, action: Row['actions'][number], path?: string): Row => ({
  route,
  actions: [action],
  ...(path === undefined ? {} : { path }),
  statuses: only({ admin: 200 })
})

const cache: Row[] = [
  administrators('GET /v1/cached_images', 'cache_list'),
  administrators('DELETE /v1/cached_images', 'cache_delete'),
  administrators('DELETE /v1/cached_images/:id', 'cache_delete', `/v1/cached_images/${ANY}`),
  administrators('GET /v1/queued_images', 'cache_list'),
  administrators('DELETE /v1/queued_images', 'cache_delete'),
  administrators('PUT /v1/queued_images/:id', 'cache_image', `/v1/queued_images/${ANY}`),
  administrators('DELETE /v1/queued_images/:id', 'cache_delete', `/v1/queued_images/${ANY}`)
]

/** Who gets what from each route of the Image API v1. */
export const V1_ROWS: readonly Row[] = [...images, ...writes, ...members, ...cache]
