import {
  CONTAINER_FORMATS,
  IMAGE_STATUSES,
  LIMITS,
  MEMBER_STATUSES,
  VISIBILITIES,
  WRITTEN_DISK_FORMATS
} from '@tank/model'

const UUID_PATTERN =
  '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'

const text = (description: string, more: object = {}) => ({ type: 'string', description, ...more })
const maybeText = (description: string, more: object = {}) => ({
  type: ['null', 'string'],
  description,
  ...more
})
const readOnly = { readOnly: true }
const shownStatuses = IMAGE_STATUSES.filter((status) => status !== 'deleted')

const imageProperties = {
  id: text('Identifier of the image', { pattern: UUID_PATTERN }),
  name: maybeText('Name of the image, not unique', { maxLength: LIMITS.nameLength }),
  status: text('State of the image', { enum: shownStatuses, ...readOnly }),
  visibility: text('Who may see the image', { enum: VISIBILITIES }),
  protected: { type: 'boolean', description: 'Whether the image is protected against deletion' },
  os_hidden: { type: 'boolean', description: 'Whether the image is left out of default lists' },
  owner: maybeText('Project that owns the image', { maxLength: LIMITS.ownerLength }),
  tags: {
    type: 'array',
    description: 'Words attached to the image',
    items: { type: 'string', maxLength: LIMITS.tagLength }
  },
  container_format: maybeText('Format of the container', { enum: [null, ...CONTAINER_FORMATS] }),
  disk_format: maybeText('Format of the disk; auto: what the data is found to be', {
    enum: [null, ...WRITTEN_DISK_FORMATS]
  }),
  min_disk: { type: 'integer', description: 'Gigabytes of disk needed to boot the image' },
  min_ram: { type: 'integer', description: 'Megabytes of memory needed to boot the image' },
  size: { type: ['null', 'integer'], description: 'Bytes of the image file', ...readOnly },
  virtual_size: {
    type: ['null', 'integer'],
    description: 'Bytes of the disk inside the image',
    ...readOnly
  },
  checksum: maybeText('MD5 of the image file', { maxLength: 32, ...readOnly }),
  os_hash_algo: maybeText('Algorithm of os_hash_value', { maxLength: 64, ...readOnly }),
  os_hash_value: maybeText('Digest of the image file, hexadecimal', {
    maxLength: 128,
    ...readOnly
  }),
  created_at: text('When the image was registered', readOnly),
  updated_at: text('When the image was last changed', readOnly),
  self: text('Path of the image', readOnly),
  file: text('Path of the image file', readOnly),
  schema: text('Path of the schema of images', readOnly),
  direct_url: text('Where the image file lies', readOnly),
  stores: text('Names of the stores that hold the image file, joined by commas', readOnly),
  locations: {
    type: 'array',
    description: 'Where the image file lies',
    items: {
      type: 'object',
      required: ['url', 'metadata'],
      properties: {
        url: { type: 'string', maxLength: LIMITS.locationUrlLength },
        metadata: { type: 'object' },
        validation_data: {
          type: 'object',
          description: 'Digests to compare the data with; write-only',
          writeOnly: true,
          additionalProperties: false,
          required: ['os_hash_algo', 'os_hash_value'],
          properties: {
            checksum: { type: 'string', minLength: 32, maxLength: 32 },
            os_hash_algo: { type: 'string', maxLength: 64 },
            os_hash_value: { type: 'string', maxLength: 128 }
          }
        }
      }
    }
  }
}

const image = {
  name: 'image',
  properties: imageProperties,
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' }
  ]
}

const member = {
  name: 'member',
  properties: {
    created_at: text('When the image was shared'),
    image_id: text('Identifier of the image', { pattern: UUID_PATTERN }),
    member_id: text('Project that the image is shared with'),
    schema: text('Path of the schema of members', readOnly),
    status: text('What the project answered', { enum: MEMBER_STATUSES }),
    updated_at: text('When the membership was last changed')
  }
}

const taskProperties = {
  id: text('Identifier of the task', { pattern: UUID_PATTERN }),
  type: text('Kind of the task', { enum: ['import', 'api_image_import', 'location_import'] }),
  status: text('State of the task', { enum: ['pending', 'processing', 'success', 'failure'] }),
  input: { type: ['null', 'object'], description: 'What the task was asked for' },
  result: { type: ['null', 'object'], description: 'What the task has brought' },
  owner: maybeText('Project that owns the task'),
  message: text('Progress or reason of a failure'),
  image_id: text('Identifier of the image'),
  request_id: maybeText('Request that started the task'),
  user_id: maybeText('User who started the task'),
  expires_at: maybeText('When the task is forgotten'),
  created_at: text('When the task was made'),
  updated_at: text('When the task last changed'),
  self: text('Path of the task', readOnly),
  schema: text('Path of the schema of tasks', readOnly)
}

/** The schema of one page: the list of that name, and the paths that lead on. */
export function pageOf(name: string, list: object): object {
  return {
    name,
    properties: {
      [name]: list,
      first: { type: 'string' },
      next: { type: 'string' },
      schema: { type: 'string' }
    },
    links: [
      { rel: 'first', href: '{first}' },
      { rel: 'next', href: '{next}' },
      { rel: 'describedby', href: '{schema}' }
    ]
  }
}

function listOf(name: string, items: object): object {
  return {
    name,
    properties: { [name]: { type: 'array', items }, schema: { type: 'string' } },
    links: [{ rel: 'describedby', href: '{schema}' }]
  }
}

/** What images, members and tasks have. */
export const schemaProperties = {
  image: imageProperties,
  member: member.properties,
  task: taskProperties
}

const { input: _input, result: _result, message: _message, ...taskRow } = taskProperties

/** The schema documents of the Image API v2 by name (§2.12). */
export const SCHEMA_DOCUMENTS: Readonly<Record<string, object>> = {
  image,
  images: pageOf('images', { type: 'array', items: image }),
  member,
  members: listOf('members', member),
  task: { name: 'task', properties: taskProperties },
  tasks: listOf('tasks', { name: 'task', properties: taskRow })
}
