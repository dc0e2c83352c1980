import type { Action } from '@tank/api'
import type { Role, Row } from './access-rows.ts'

/** The public namespace that the paths of the rows lead to. */
export const METADEF_FIXTURE = {
  namespace: 'N',
  visibility: 'public',
  owner: 'P1',
  objects: [{ name: 'O' }],
  properties: { p: { title: 'p', type: 'string' } },
  tags: [{ name: 't' }],
  resource_type_associations: [{ name: 'R' }]
}

/** Another namespace, which the rows make. */
export const METADEF_NEW = 'M'

const NAMES: Readonly<Record<string, string>> = {
  objects: 'O',
  properties: 'p',
  tags: 't',
  resource_types: 'R'
}

type Statuses = Record<Role, number>
const REFUSED: Statuses = { admin: 403, member: 403, reader: 403, service: 403, nobody: 403 }
const readers = (status: number): Statuses => ({
  ...REFUSED,
  admin: status,
  member: status,
  reader: status
})

/** A route below `/v2/metadefs`, with its path in the fixture. */
function row(method: string, path: string, action: Action, status: number, body?: unknown): Row {
  const kind = path.split('/')[3] ?? ''
  return {
    route: `${method} /v2/metadefs${path}`,
    path: `/v2/metadefs${path.replace(':namespace', 'N').replace(':name', NAMES[kind] ?? '')}`,
    actions: [action],
    ...(body === undefined ? {} : { body }),
    statuses: method === 'GET' ? readers(status) : { ...REFUSED, admin: status }
  }
}

const NAMESPACE = '/namespaces/:namespace'

function kindRows(
  kind: string,
  word: string,
  body: { readonly one: unknown; readonly added: unknown },
  actions: { readonly add: Action; readonly remove: Action; readonly removeAll: Action }
): Row[] {
  const list = `${NAMESPACE}/${kind}`
  return [
    row('GET', list, `get_metadef_${kind}` as Action, 200),
    row('POST', list, actions.add, 201, body.added),
    row('DELETE', list, actions.removeAll, 204),
    row('GET', `${list}/:name`, `get_metadef_${word}` as Action, 200),
    row('PUT', `${list}/:name`, `modify_metadef_${word}` as Action, 200, body.one),
    row('DELETE', `${list}/:name`, actions.remove, 204)
  ]
}

const property = { name: 'q', title: 'q', type: 'string' }

/** Who gets what from the routes of metadata definitions. */
export const METADEF_ROWS: readonly Row[] = [
  row('GET', '/resource_types', 'list_metadef_resource_types', 200),
  row('GET', '/namespaces', 'get_metadef_namespaces', 200),
  row('POST', '/namespaces', 'add_metadef_namespace', 201, { namespace: METADEF_NEW }),
  row('GET', NAMESPACE, 'get_metadef_namespace', 200),
  row('PUT', NAMESPACE, 'modify_metadef_namespace', 200, { namespace: 'N', visibility: 'public' }),
  row('DELETE', NAMESPACE, 'delete_metadef_namespace', 204),
  row('GET', `${NAMESPACE}/resource_types`, 'get_metadef_resource_type', 200),
  row('POST', `${NAMESPACE}/resource_types`, 'add_metadef_resource_type_association', 201, {
    name: 'S'
  }),
  row(
    'DELETE',
    `${NAMESPACE}/resource_types/:name`,
    'remove_metadef_resource_type_association',
    204
  ),
  ...kindRows(
    'objects',
    'object',
    { one: { name: 'O' }, added: { name: 'O2' } },
    {
      add: 'add_metadef_object',
      remove: 'delete_metadef_object',
      removeAll: 'delete_metadef_object'
    }
  ),
  ...kindRows(
    'properties',
    'property',
    { one: property, added: property },
    {
      add: 'add_metadef_property',
      remove: 'remove_metadef_property',
      removeAll: 'remove_metadef_property'
    }
  ),
  ...kindRows(
    'tags',
    'tag',
    { one: { name: 'u' }, added: { tags: [{ name: 'u' }] } },
    { add: 'add_metadef_tags', remove: 'delete_metadef_tag', removeAll: 'delete_metadef_tags' }
  ),
  {
    ...row('POST', `${NAMESPACE}/tags/:name`, 'add_metadef_tag', 201),
    path: '/v2/metadefs/namespaces/N/tags/new'
  }
]
