/** What a namespace of metadata definitions holds, besides what is said about itself. */
export const METADEF_KINDS = ['objects', 'properties', 'tags', 'resource_types'] as const
export type MetadefKind = (typeof METADEF_KINDS)[number]

/** Who may see a namespace: everyone, or its owner. */
export const METADEF_VISIBILITIES = ['public', 'private'] as const

/** Most code points of the texts that have a limit. */
export const METADEF_LIMITS = { name: 80, description: 500, owner: 255 } as const

/** A definition of any kind: an object, a property, a tag, or the link to a resource type. */
export interface Definition {
  readonly name: string
  readonly [field: string]: unknown
}

/** A definition as a registry shows it. Times are UTC with whole seconds. */
export interface DefinitionDocument extends Definition {
  readonly created_at: string
  readonly updated_at: string
}

/** What is said about a namespace itself; what is absent falls back to its default (MD2). */
export interface NamespaceFields {
  readonly namespace: string
  readonly display_name?: string
  readonly description?: string
  /** `private` unless told. */
  readonly visibility?: (typeof METADEF_VISIBILITIES)[number]
  /** Neither the namespace nor anything in it can be deleted. */
  readonly protected?: boolean
  readonly owner?: string | null
}

/** Body of `POST /v1/metadefs/namespaces`: a namespace with all that is in it. */
export interface CreateNamespace extends NamespaceFields {
  readonly definitions?: Readonly<Partial<Record<MetadefKind, readonly Definition[]>>>
}

/** A namespace in a list: with its resource types alone. */
export interface NamespaceRow {
  readonly namespace: string
  readonly display_name: string | null
  readonly description: string | null
  readonly visibility: (typeof METADEF_VISIBILITIES)[number]
  readonly protected: boolean
  readonly owner: string | null
  readonly created_at: string
  readonly updated_at: string
  readonly resource_types: readonly DefinitionDocument[]
}

/** A namespace with all that is in it, each kind in the order in which it was made. */
export interface NamespaceDocument
  extends NamespaceRow,
    Readonly<Record<MetadefKind, readonly DefinitionDocument[]>> {}

/** One page of namespaces; `next` is the marker of the page that follows. */
export interface NamespacePage {
  readonly namespaces: readonly NamespaceRow[]
  readonly next: string | null
}

/** A kind of resource that definitions may be about. */
export interface ResourceTypeDocument {
  readonly name: string
  readonly created_at: string
  readonly updated_at: string
}

/** The name by which a definition is found: letter case makes no difference to tags (MD5). */
export function foldName(kind: MetadefKind, name: string): string {
  return kind === 'tags' ? name.toLowerCase() : name
}

const name = { type: 'string', minLength: 1, maxLength: METADEF_LIMITS.name } as const
const texts = { type: 'array', items: { type: 'string' }, uniqueItems: true } as const
const count = { type: 'integer', minimum: 0 } as const
const types = {
  type: 'string',
  enum: ['array', 'boolean', 'integer', 'number', 'object', 'string']
} as const

/** The parts of a property but its name, as JSON Schema. */
const PROPERTY = {
  type: 'object',
  required: ['title', 'type'],
  properties: {
    title: { type: 'string' },
    description: { type: 'string' },
    operators: texts,
    type: types,
    enum: { type: 'array' },
    pattern: { type: 'string' },
    default: {},
    readonly: { type: 'boolean' },
    minimum: { type: 'number' },
    maximum: { type: 'number' },
    minLength: count,
    maxLength: count,
    items: { type: 'object', properties: { type: types, enum: { type: 'array' } } },
    minItems: count,
    maxItems: count,
    uniqueItems: { type: 'boolean' },
    additionalItems: { type: 'boolean' },
    required: texts
  },
  additionalProperties: false
} as const

/** Properties by their names, as JSON Schema. */
const PROPERTY_MAP = { type: 'object', additionalProperties: PROPERTY } as const

/** What people say about a namespace itself, as JSON Schema. */
const NAMESPACE = {
  namespace: name,
  display_name: { type: 'string', maxLength: METADEF_LIMITS.name },
  description: { type: 'string', maxLength: METADEF_LIMITS.description },
  visibility: { type: 'string', enum: METADEF_VISIBILITIES },
  protected: { type: 'boolean' },
  owner: { type: 'string', maxLength: METADEF_LIMITS.owner }
} as const

/** Each kind of definition, as the fields of a JSON Schema. */
const DEFINITIONS = {
  objects: {
    required: ['name'],
    properties: {
      name,
      description: { type: 'string' },
      required: texts,
      properties: PROPERTY_MAP
    }
  },
  properties: { required: ['name', 'title', 'type'], properties: { name, ...PROPERTY.properties } },
  tags: { required: ['name'], properties: { name } },
  resource_types: {
    required: ['name'],
    properties: {
      name,
      prefix: { type: 'string', maxLength: METADEF_LIMITS.name },
      properties_target: { type: 'string', maxLength: METADEF_LIMITS.name }
    }
  }
} as const

/** What metadata definitions look like, as parts of JSON Schema. */
export const METADEF_SCHEMAS = {
  namespace: NAMESPACE,
  definitions: DEFINITIONS,
  propertyMap: PROPERTY_MAP
} as const
