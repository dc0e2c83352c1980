import {
  type Definition,
  type DefinitionDocument,
  METADEF_KINDS,
  METADEF_SCHEMAS,
  METADEF_VISIBILITIES,
  type MetadefKind
} from '@tank/model'
import { Type } from 'typebox'
import { nullable, oneOf, strict } from './schemas.ts'

const text = nullable(Type.String())
const times = {
  created_at: Type.String({ description: 'UTC with whole seconds' }),
  updated_at: Type.String({ description: 'UTC with whole seconds' })
}

const definitionOf = (kind: MetadefKind) =>
  Type.Unsafe<Definition>({ type: 'object', ...METADEF_SCHEMAS.definitions[kind], ...strict })

/** A definition of each kind. */
export const DEFINITION_SCHEMAS = {
  objects: definitionOf('objects'),
  properties: definitionOf('properties'),
  tags: definitionOf('tags'),
  resource_types: definitionOf('resource_types')
} as const satisfies Record<MetadefKind, unknown>

export const DefinitionDocumentSchema = Type.Unsafe<DefinitionDocument>(
  Type.Object({ name: Type.String(), ...times }, { additionalProperties: true })
)
const Definitions = Type.Unsafe<readonly DefinitionDocument[]>(Type.Array(DefinitionDocumentSchema))

const FIELDS = {
  namespace: Type.String({ minLength: 1 }),
  display_name: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  visibility: Type.Optional(oneOf(METADEF_VISIBILITIES)),
  protected: Type.Optional(Type.Boolean()),
  owner: Type.Optional(text)
}

export const NamespaceFieldsSchema = Type.Object(FIELDS, strict)
export const CreateNamespaceSchema = Type.Object(
  {
    ...FIELDS,
    definitions: Type.Optional(
      Type.Object(
        {
          objects: Type.Optional(Type.Array(DEFINITION_SCHEMAS.objects)),
          properties: Type.Optional(Type.Array(DEFINITION_SCHEMAS.properties)),
          tags: Type.Optional(Type.Array(DEFINITION_SCHEMAS.tags)),
          resource_types: Type.Optional(Type.Array(DEFINITION_SCHEMAS.resource_types))
        },
        strict
      )
    )
  },
  strict
)

export const NamespaceRowSchema = Type.Object({
  namespace: Type.String(),
  display_name: text,
  description: text,
  visibility: oneOf(METADEF_VISIBILITIES),
  protected: Type.Boolean(),
  owner: text,
  ...times,
  resource_types: Definitions
})

export const NamespaceDocumentSchema = Type.Object(
  {
    ...NamespaceRowSchema.properties,
    objects: Definitions,
    properties: Definitions,
    tags: Definitions
  },
  { description: `A namespace with all that is in it: ${METADEF_KINDS.join(', ')}` }
)

export const ResourceTypeSchema = Type.Object({ name: Type.String(), ...times })
