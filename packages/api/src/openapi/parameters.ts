import { MEMBER_STATUSES, VISIBILITIES } from '@tank/model'
import { Type } from 'typebox'

const text = (description: string, more: object = {}) => Type.String({ description, ...more })
const maybe = (description: string, more: object = {}) => Type.Optional(text(description, more))

const id = text('Identifier of the image', { format: 'uuid' })

export const imageParams = Type.Object({ id })
export const taskParams = Type.Object({ id: text('Identifier of the task', { format: 'uuid' }) })
export const tagParams = Type.Object({ id, tag: text('The tag') })
export const memberParams = Type.Object({ id, member: text('Identifier of the project') })
export const storeImageParams = Type.Object({ store: text('Name of the store'), id })

const SORT_KEYS = [
  'name',
  'status',
  'container_format',
  'disk_format',
  'size',
  'id',
  'created_at',
  'updated_at'
]
const time = (name: string) =>
  maybe(
    `Time of ${name}: an ISO 8601 time after \`gt:\`, \`gte:\`, \`lt:\`, \`lte:\`, \`eq:\` or \`neq:\``
  )
const bound = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }))

export const listQuery = Type.Object({
  limit: bound('Most images of one page'),
  marker: maybe('Identifier of the image that the page begins after'),
  sort: maybe('Keys with directions, such as `name:asc,size:desc`'),
  sort_key: Type.Optional(
    Type.Array(Type.String({ enum: SORT_KEYS }), { description: 'Key to sort by; repeatable' })
  ),
  sort_dir: Type.Optional(
    Type.Array(Type.String({ enum: ['asc', 'desc'] }), {
      description: 'One for all keys, or one each'
    })
  ),
  id: maybe('`in:` and identifiers, joined by commas'),
  name: maybe('The name, or `in:` and names, joined by commas'),
  status: maybe('The status, or `in:` and several'),
  visibility: maybe('Who may see the images', { enum: [...VISIBILITIES, 'all'] }),
  member_status: maybe('What the own project answered to the sharing of images', {
    enum: [...MEMBER_STATUSES, 'all']
  }),
  owner: maybe('Project that owns the images'),
  tag: Type.Optional(
    Type.Array(Type.String(), {
      description: 'Tag that the images have; repeatable, all must be there'
    })
  ),
  container_format: maybe('The format, or `in:` and several'),
  disk_format: maybe('The format, or `in:` and several'),
  protected: maybe('Whether the images are protected', { enum: ['true', 'false'] }),
  os_hidden: maybe('Whether hidden images are listed, instead of all others', {
    enum: ['true', 'false']
  }),
  checksum: maybe('MD5 of the data'),
  os_hash_value: maybe('Digest of the data'),
  size_min: bound('Least bytes of the data'),
  size_max: bound('Most bytes of the data'),
  created_at: time('creation'),
  updated_at: time('the last change')
})

const store = maybe('Name of the store that gets the data; else the default store')

export const uploadHeaders = Type.Object({
  'x-image-meta-store': store,
  'x-openstack-image-size': bound('Bytes of the data, where Content-Length does not say it')
})

export const stageHeaders = Type.Pick(uploadHeaders, ['x-openstack-image-size'])
export const importHeaders = Type.Pick(uploadHeaders, ['x-image-meta-store'])

export const downloadHeaders = Type.Object({
  range: maybe('One range of bytes, such as `bytes=0-1023`'),
  'if-range': maybe('ETag or time of the data that the range is of'),
  'if-none-match': maybe('ETags of data that the client has'),
  'if-modified-since': maybe('Time of the data that the client has')
})

export const downloadQuery = Type.Object({
  prefer: maybe('Names of stores to read from first, joined by commas')
})

export const taskListQuery = Type.Object({
  limit: bound('Most tasks of one page'),
  marker: maybe('Identifier of the task that the page begins after'),
  sort_key: maybe('Key to sort by'),
  sort_dir: maybe('Direction', { enum: ['asc', 'desc'] }),
  type: maybe('The type', { enum: ['import'] }),
  status: maybe('The status')
})
