import type { Action } from '@tank/api'
import { FORM_TYPE, FORMATS, file, formBody } from './form.ts'
import { METADEF_ROWS } from './metadef-access-rows.ts'
import { V1_ROWS } from './v1-access-rows.ts'

export const ROLES = ['admin', 'member', 'reader', 'service', 'nobody'] as const
export type Role = (typeof ROLES)[number]

/** What an image of project P1 is to a caller; P2 is a member of the shared ones. */
export const VISIBLE = ['own', 'pending', 'accepted', 'community', 'public'] as const
export const HIDDEN = ['foreign', 'deleted', 'absent'] as const
export type Situation = (typeof VISIBLE)[number] | (typeof HIDDEN)[number]

/** One status for all, or one for each situation of VISIBLE and, for administrators, for `foreign`. */
type Statuses = number | readonly number[]

/** One request and who may send it. */
export interface Row {
  /** `METHOD /path`, as the framework has it. */
  readonly route: string
  /** The rules that decide it. */
  readonly actions: readonly Action[]
  /** How the image has to be. Undefined: there is none in the path. */
  readonly image?: 'queued' | 'active' | 'deactivated' | 'copied'
  /** Where the path of the route needs other names than those of the image. */
  readonly path?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly statuses: Readonly<Record<Role, Statuses>>
  /** What a role gets for a deleted image, where that is not 404. */
  readonly deleted?: Partial<Readonly<Record<Role, number>>>
  /** What who sees every image gets, in each situation up to `foreign`, where that is no reader's. */
  readonly auditor?: readonly number[]
}

const REFUSED = { admin: 403, member: 403, reader: 403, service: 403, nobody: 403 }
const only = (allowed: Partial<Row['statuses']>): Row['statuses'] => ({ ...REFUSED, ...allowed })
const all = (status: number): Row['statuses'] => ({
  admin: status,
  member: status,
  reader: status,
  service: status,
  nobody: status
})
/** Owners alone, but for administrators. */
const owner = (status: number) => only({ admin: status, member: [status, 403, 403, 403, 403] })
const readers = (status: number) => only({ admin: status, member: status, reader: status })

const PATCH = { 'content-type': 'application/openstack-images-v2.1-json-patch' }
const DATA = { 'content-type': 'application/octet-stream' }
const replace = (name: string, value: unknown) => [{ op: 'replace', path: `/${name}`, value }]

const images: Row[] = [
  {
    route: 'GET /v2/images',
    actions: ['get_images', 'get_image', 'see_any_image'],
    statuses: readers(200)
  },
  {
    route: 'POST /v2/images',
    actions: ['add_image'],
    body: {},
    statuses: only({ admin: 201, member: 201 })
  },
  {
    route: 'POST /v2/images',
    actions: ['set_owner'],
    body: { owner: 'P3' },
    statuses: only({ admin: 201 })
  },
  {
    route: 'POST /v2/images',
    actions: ['publicize_image'],
    body: { visibility: 'public' },
    statuses: only({ admin: 201 })
  },
  {
    route: 'POST /v2/images',
    actions: ['communitize_image'],
    body: { visibility: 'community' },
    statuses: only({ admin: 201, member: 201 })
  },
  {
    route: 'GET /v2/images/:id',
    actions: ['get_image'],
    image: 'queued',
    statuses: readers(200)
  },
  {
    route: 'DELETE /v2/images/:id',
    actions: ['delete_image'],
    image: 'queued',
    statuses: owner(204)
  }
]

const patch = (actions: Row['actions'], body: unknown, statuses: Row['statuses']): Row => ({
  route: 'PATCH /v2/images/:id',
  actions,
  image: 'queued',
  headers: PATCH,
  body,
  statuses
})

const changes: Row[] = [
  patch(['modify_image'], replace('name', 'new'), owner(200)),
  patch(['get_image'], [], readers(200)),
  patch(['modify_image', 'set_owner'], replace('owner', 'P3'), only({ admin: 200 })),
  patch(['modify_image', 'publicize_image'], replace('visibility', 'public'), only({ admin: 200 })),
  patch(
    ['modify_image', 'set_image_location'],
    [{ op: 'add', path: '/locations/-', value: { url: 'http://outside.test/data', metadata: {} } }],
    owner(200)
  ),
  patch(['modify_image', 'communitize_image'], replace('visibility', 'community'), owner(200)),
  {
    route: 'PUT /v2/images/:id/tags/:tag',
    actions: ['modify_image'],
    image: 'queued',
    statuses: owner(204)
  },
  {
    route: 'DELETE /v2/images/:id/tags/:tag',
    actions: ['modify_image'],
    image: 'queued',
    statuses: owner(204)
  },
  ...(['deactivate', 'reactivate'] as const).map(
    (action): Row => ({
      route: `POST /v2/images/:id/actions/${action}`,
      actions: [action],
      image: 'active',
      statuses: owner(204)
    })
  )
]

const data: Row[] = [
  {
    route: 'PUT /v2/images/:id/file',
    actions: ['upload_image'],
    image: 'queued',
    headers: DATA,
    body: 'x',
    statuses: owner(204)
  },
  {
    route: 'PUT /v2/images/:id/stage',
    actions: ['modify_image'],
    image: 'queued',
    headers: DATA,
    body: 'x',
    statuses: owner(204)
  },
  ...['GET', 'HEAD'].map(
    (method): Row => ({
      route: `${method} /v2/images/:id/file`,
      actions: ['download_image'],
      image: 'active',
      statuses: only({ admin: 200, member: 200 })
    })
  ),
  {
    route: 'GET /v2/images/:id/file',
    actions: ['download_image', 'download_from_store'],
    image: 'active',
    query: '?prefer=main',
    statuses: only({ admin: 200, member: 200 })
  },
  {
    route: 'GET /v2/images/:id/file',
    actions: ['download_image', 'download_deactivated'],
    image: 'deactivated',
    statuses: only({ admin: 200 })
  },
  {
    route: 'POST /v2/images/:id/import',
    actions: ['copy_image'],
    image: 'active',
    body: { method: { name: 'copy-image' }, stores: ['second'] },
    statuses: only({ admin: 202 })
  },
  {
    route: 'GET /v2/images/:id/tasks',
    actions: ['get_image'],
    image: 'active',
    statuses: readers(200)
  }
]

const known = [200, 200, 200, 404, 404]
const members: Row[] = [
  {
    route: 'GET /v2/images/:id/members',
    actions: ['get_image', 'get_members'],
    image: 'queued',
    statuses: only({
      admin: [200, 200, 200, 403, 403, 403],
      member: [200, 200, 200, 403, 403],
      reader: [200, 200, 200, 403, 403]
    })
  },
  {
    route: 'POST /v2/images/:id/members',
    actions: ['get_image', 'add_member'],
    image: 'queued',
    body: { member: 'P3' },
    statuses: only({
      admin: [200, 200, 200, 403, 403, 403],
      member: [200, 403, 403, 403, 403]
    })
  },
  {
    route: 'GET /v2/images/:id/members/:member',
    actions: ['get_image', 'get_member'],
    image: 'queued',
    statuses: only({ admin: [...known, 404], member: known, reader: known })
  },
  {
    route: 'PUT /v2/images/:id/members/:member',
    actions: ['get_image', 'get_member', 'modify_member'],
    image: 'queued',
    body: { status: 'rejected' },
    statuses: only({ admin: [...known, 404], member: [403, 200, 200, 404, 404] })
  },
  {
    route: 'DELETE /v2/images/:id/members/:member',
    actions: ['get_image', 'get_member', 'delete_member'],
    image: 'queued',
    statuses: only({
      admin: [204, 204, 204, 404, 404, 404],
      member: [204, 403, 403, 403, 403]
    })
  }
]

const SCHEMAS = [
  ...['image', 'images', 'member', 'members', 'task', 'tasks'],
  ...['namespace', 'object', 'property', 'tag', 'resource_type'].map((name) => `metadefs/${name}`),
  ...['namespaces', 'objects', 'properties', 'tags', 'resource_types'].map(
    (name) => `metadefs/${name}`
  )
]

const places: Row[] = [
  {
    route: 'GET /v2/images/:id/locations',
    actions: ['fetch_image_location'],
    image: 'active',
    statuses: only({ admin: 200, service: 200 })
  },
  {
    route: 'POST /v2/images/:id/locations',
    actions: ['add_image_location'],
    image: 'queued',
    body: { url: 'http://outside.test/data' },
    statuses: { ...owner(202), service: 202 }
  },
  {
    route: 'DELETE /v2/stores/:store/:id',
    actions: ['get_image_location', 'delete_image_location'],
    image: 'copied',
    statuses: only({ admin: 204 })
  },
  {
    route: 'GET /v2/info/stores/detail',
    actions: ['stores_info_detail'],
    statuses: only({ admin: 200, service: 200 })
  },
  ...['stores', 'import', 'usage'].map(
    (name): Row => ({ route: `GET /v2/info/${name}`, actions: [], statuses: all(200) })
  ),
  ...SCHEMAS.map(
    (name): Row => ({ route: `GET /v2/schemas/${name}`, actions: [], statuses: all(200) })
  )
]

const TASK = {
  type: 'import',
  input: {
    import_from: 'http://outside.test/data',
    import_from_format: 'raw',
    image_properties: {}
  }
}
const tasks: Row[] = [
  { route: 'GET /v2/tasks', actions: ['tasks_api_access'], statuses: only({ admin: 200 }) },
  {
    route: 'POST /v2/tasks',
    actions: ['tasks_api_access', 'add_image', 'modify_image'],
    body: TASK,
    statuses: only({ admin: 201 })
  },
  {
    route: 'GET /v2/tasks/:id',
    actions: ['tasks_api_access'],
    path: '/v2/tasks/00000000-0000-4000-8000-000000000000',
    statuses: only({ admin: 404 })
  }
]

const cache: Row[] = [
  { route: 'GET /v2/cache', actions: ['cache_list'], statuses: only({ admin: 200 }) },
  { route: 'DELETE /v2/cache', actions: ['cache_delete'], statuses: only({ admin: 204 }) },
  {
    route: 'PUT /v2/cache/:id',
    actions: ['cache_image'],
    image: 'active',
    statuses: only({ admin: 202 })
  },
  {
    route: 'DELETE /v2/cache/:id',
    actions: ['cache_delete'],
    image: 'active',
    statuses: only({ admin: 204 })
  },
  {
    route: 'GET /v2/cache/nodes/:id',
    actions: ['list_cached_nodes'],
    image: 'active',
    statuses: only({ admin: 409 })
  },
  { route: 'POST /v2/cache/clean', actions: ['cache_clean'], statuses: only({ admin: 200 }) },
  { route: 'POST /v2/cache/prune', actions: ['cache_prune'], statuses: only({ admin: 200 }) }
]

/** Who gets what from each route: the defaults of the policy, as seen from outside. */
/** Pages for browsers; the form itself is for everybody. */
const pages: Row[] = [
  {
    route: 'POST /ui/upload',
    actions: ['add_image', 'upload_image'],
    headers: FORM_TYPE,
    body: formBody([...FORMATS, file('data')]).toString(),
    statuses: only({ admin: 201, member: 201 })
  }
]

export const ROWS: readonly Row[] = [
  ...images,
  ...changes,
  ...data,
  ...members,
  ...places,
  ...tasks,
  ...pages,
  ...METADEF_ROWS,
  ...cache,
  ...V1_ROWS
]

/** The status that a caller gets; images that it cannot see are all not there. */
export function expected(row: Row, role: Role | 'auditor', situation: Situation): number {
  // who only reads, but sees every image as if it were a community image
  if (role === 'auditor') {
    const at = [...VISIBLE, 'foreign'].indexOf(situation)
    if (row.auditor !== undefined) return row.auditor[at] ?? 404
    return expected(row, 'reader', situation === 'foreign' ? 'community' : situation)
  }
  const statuses = row.statuses[role]
  if (situation === 'deleted') return row.deleted?.[role] ?? 404
  if (situation === 'absent') return 404
  if (situation === 'foreign') {
    if (role !== 'admin') return 404
    return typeof statuses === 'number' ? statuses : (statuses[VISIBLE.length] ?? 0)
  }
  return typeof statuses === 'number' ? statuses : (statuses[VISIBLE.indexOf(situation)] ?? 0)
}
