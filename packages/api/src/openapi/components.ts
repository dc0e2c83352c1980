import { LIMITS } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import { schemaProperties } from '../routes/v2/schema-documents.ts'
import { METADEF_COMPONENTS } from './metadef-components.ts'

const { image, member, task } = schemaProperties
const text = (description: string) => ({ type: 'string', description })
const flag = (description: string, value: boolean) => ({
  type: 'boolean',
  default: value,
  description
})

const { stores: _stores, direct_url: _url, locations: _locations, ...always } = image
const { self: _self, schema: _schema, ...shownOfTask } = task
const { input: _input, result: _result, message: _message, ...rowOfTask } = task

const writable = {
  name: image.name,
  visibility: { ...image.visibility, default: 'shared' },
  protected: image.protected,
  os_hidden: image.os_hidden,
  owner: image.owner,
  tags: image.tags,
  container_format: image.container_format,
  disk_format: image.disk_format,
  min_disk: { ...image.min_disk, minimum: 0, maximum: LIMITS.minDisk },
  min_ram: { ...image.min_ram, minimum: 0, maximum: LIMITS.minRam }
}

const custom = {
  additionalProperties: {
    type: 'string',
    maxLength: LIMITS.propertyValueBytes,
    description: 'A custom property'
  }
}

const pointer = {
  ...text('JSON pointer of one attribute or property'),
  examples: ['/name', '/tags', '/min_ram', '/visibility', '/my_property']
}

const validationData = {
  type: 'object',
  description: 'Digest that the data has to have',
  additionalProperties: false,
  required: ['os_hash_algo', 'os_hash_value'],
  properties: {
    os_hash_algo: { type: 'string', enum: ['md5', 'sha1', 'sha256', 'sha512'] },
    os_hash_value: { ...text('Hexadecimal'), pattern: '^[0-9A-Fa-f]+$' }
  }
}

const nullable = (schema: { readonly description: string }) => ({
  type: ['string', 'null'],
  description: schema.description
})

/** Schemas that routes share, by their name in the document. */
const COMPONENTS = {
  ...METADEF_COMPONENTS,
  Error: {
    type: 'object',
    description: 'What went wrong',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['code', 'title', 'message'],
        additionalProperties: false,
        properties: {
          code: { type: 'integer', description: 'The status' },
          title: text('Name of the status'),
          message: text('What to do about it')
        }
      }
    }
  },
  Problem: {
    type: 'object',
    description: 'What went wrong, outside of the Image API (RFC 9457)',
    required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
    properties: {
      type: text('URN of the kind of problem'),
      title: text('Name of the status'),
      status: { type: 'integer' },
      detail: text('What to do about it'),
      code: text('The kind of problem, for programs'),
      requestId: text('How the log names the request')
    }
  },
  Image: {
    type: 'object',
    description: 'An image; further keys are its custom properties',
    required: Object.keys(always),
    properties: image,
    additionalProperties: { type: 'string' }
  },
  NewImage: {
    type: 'object',
    description: 'A new image; further keys become custom properties',
    properties: { id: image.id, ...writable },
    ...custom
  },
  PatchV21: {
    type: 'array',
    description: 'Changes, applied all or none',
    maxItems: 1000,
    items: {
      type: 'object',
      required: ['op', 'path'],
      properties: {
        op: { type: 'string', enum: ['add', 'replace', 'remove'] },
        path: pointer,
        value: { description: 'Of `add` and `replace`' }
      }
    }
  },
  PatchV20: {
    type: 'array',
    description:
      'Changes in the older notation: exactly one of `add`, `replace` and `remove` in each',
    maxItems: 1000,
    items: {
      type: 'object',
      properties: {
        add: pointer,
        replace: pointer,
        remove: pointer,
        value: { description: 'Of `add` and `replace`' }
      }
    }
  },
  Member: {
    type: 'object',
    required: Object.keys(member),
    properties: member,
    description: 'A project that an image is shared with'
  },
  Task: {
    type: 'object',
    description: 'Background work on an image',
    required: Object.keys(shownOfTask),
    properties: {
      ...shownOfTask,
      owner: nullable(task.owner),
      request_id: nullable(task.request_id),
      user_id: nullable(task.user_id),
      deleted: { type: 'boolean' },
      deleted_at: { type: 'null' }
    }
  },
  TaskRow: {
    type: 'object',
    description: 'Background work, as lists show it',
    required: Object.keys(rowOfTask),
    properties: { ...rowOfTask, self: text('Path of the task'), owner: nullable(task.owner) }
  },
  TaskDetail: {
    type: 'object',
    description: 'Background work',
    required: Object.keys(task),
    properties: { ...task, owner: nullable(task.owner) }
  },
  NewTask: {
    type: 'object',
    required: ['type', 'input'],
    properties: {
      type: { type: 'string', enum: ['import'] },
      input: {
        type: 'object',
        required: ['import_from', 'import_from_format', 'image_properties'],
        properties: {
          import_from: text('URL of the data'),
          import_from_format: text('Disk format of the data'),
          image_properties: { type: 'object', description: 'The image, as it would be created' }
        }
      }
    }
  },
  ImportRequest: {
    type: 'object',
    required: ['method'],
    properties: {
      method: {
        type: 'object',
        required: ['name'],
        properties: {
          name: {
            type: 'string',
            enum: ['glance-direct', 'web-download', 'copy-image', 'glance-download']
          },
          uri: text('Where the data lies; of `web-download`'),
          glance_region: text('Region that has the image; of `glance-download`'),
          glance_image_id: text('Id of the image there, a UUID; of `glance-download`'),
          glance_service_interface: {
            type: 'string',
            enum: ['public', 'internal', 'admin'],
            default: 'public',
            description: 'Interface of the image service there; of `glance-download`'
          }
        }
      },
      stores: { type: 'array', items: { type: 'string' }, description: 'Stores that get the data' },
      all_stores: flag('Every store that takes data gets it', false),
      all_stores_must_succeed: flag('One store that fails ends the import', true)
    }
  },
  NewLocation: {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    properties: {
      url: { ...text('Where the data lies'), maxLength: LIMITS.locationUrlLength },
      validation_data: validationData
    }
  },
  Location: {
    type: 'object',
    required: ['url', 'metadata'],
    properties: {
      url: text('Where the data lies'),
      metadata: { type: 'object', properties: { store: text('Name of the store') } }
    }
  },
  Store: {
    type: 'object',
    required: ['id'],
    properties: {
      id: text('Name of the store'),
      description: text('What the operator says of it'),
      default: { type: 'string', enum: ['true'], description: 'Takes data when none is named' },
      'read-only': { type: 'string', enum: ['true'], description: 'Takes no data' },
      type: text('Kind of the store; in details only'),
      weight: { type: 'integer', description: 'Heavier stores send first; in details only' },
      properties: { type: 'object', description: 'In details only' }
    }
  },
  Versions: {
    type: 'object',
    required: ['versions'],
    properties: {
      versions: {
        type: 'array',
        items: {
          type: 'object',
          required: ['id', 'status', 'links'],
          properties: {
            id: { ...text('Version'), pattern: '^v(?:2\\.\\d+|1\\.[01])$' },
            status: { type: 'string', enum: ['CURRENT', 'SUPPORTED'] },
            links: {
              type: 'array',
              items: {
                type: 'object',
                required: ['rel', 'href'],
                properties: { rel: { type: 'string', enum: ['self'] }, href: { type: 'string' } }
              }
            }
          }
        }
      }
    }
  }
} as const

export type Component = keyof typeof COMPONENTS

/** A reference to a shared schema. */
export function refTo(name: Component): { readonly $ref: string } {
  return { $ref: `${name}#` }
}

/** A list of what a component describes. */
export function listOf(name: string, component: Component, more: object = {}): object {
  const items = { type: 'array', items: refTo(component) }
  return { type: 'object', required: [name], properties: { [name]: items, ...more } }
}

/** One page of a list, with the paths that lead on. */
export function pageOf(name: string, component: Component): object {
  return listOf(name, component, {
    first: text('Path of the first page'),
    next: text('Path of the next page; absent on the last one'),
    schema: text('Path of the schema of this answer')
  })
}

/** Makes the shared schemas known to an app and to all its scopes. */
export function addComponents(app: FastifyInstance): void {
  for (const [name, schema] of Object.entries(COMPONENTS)) app.addSchema({ $id: name, ...schema })
}
