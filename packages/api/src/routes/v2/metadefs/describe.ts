import type { FastifySchema } from 'fastify'
import { Type } from 'typebox'
import { type Component, listOf, pageOf, refTo } from '../../../openapi/components.ts'
import { json, nothing, operation } from '../../../openapi/operation.ts'
import type { DefinitionKind } from './definitions.ts'

const text = (description: string) => ({ type: 'string', description })
const namespace = Type.String({ description: 'Name of the namespace' })
const name = Type.String({ description: 'Name of the definition' })
const type = Type.Optional(
  Type.String({ description: 'Resource type whose prefix names of properties get' })
)
const ofNamespace = Type.Object({ namespace })
const ofDefinition = Type.Object({ namespace, name })
const byType = Type.Object({ resource_type: type })
const errors = [403, 404]

const COMPONENTS = {
  objects: 'MetadefObject',
  properties: 'MetadefProperty',
  tags: 'MetadefTag',
  resource_types: 'MetadefResourceType'
} as const satisfies Record<string, Component>

type Kind = keyof typeof COMPONENTS

const WORDS: Readonly<Record<Kind, { readonly one: string; readonly id: string }>> = {
  objects: { one: 'an object', id: 'MetadefObject' },
  properties: { one: 'a property', id: 'MetadefProperty' },
  tags: { one: 'a tag', id: 'MetadefTag' },
  resource_types: { one: 'a resource type', id: 'MetadefResourceType' }
}

const plural = (kind: Kind) => WORDS[kind].id.replace(/y$/, 'ie').concat('s')

const listed = (kind: Kind) => {
  if (kind === 'properties') {
    const properties = { type: 'object', additionalProperties: { type: 'object' } }
    return { type: 'object', required: ['properties'], properties: { properties } }
  }
  return listOf(
    kind === 'resource_types' ? 'resource_type_associations' : kind,
    COMPONENTS[kind],
    kind === 'objects' ? { schema: text('Path of the schema') } : {}
  )
}

/** The list of one kind in a namespace. */
export const describeList = (kind: Kind): FastifySchema =>
  operation({
    operationId: `list${plural(kind)}`,
    summary: `List the ${kind.replace('_', ' ')} of a namespace`,
    tag: 'metadefs',
    params: ofNamespace,
    answers: { 200: json(listed(kind), 'All of them') },
    errors
  })

/** One definition more; `several` of them in one request. */
export const describeAddition = (kind: Kind, several = false): FastifySchema =>
  operation({
    operationId: several ? `replace${plural(kind)}` : `add${WORDS[kind].id}`,
    summary: several ? `Set the ${kind} of a namespace` : `Add ${WORDS[kind].one}`,
    tag: 'metadefs',
    params: ofNamespace,
    body: {
      'application/json': several ? listOf(kind, COMPONENTS[kind]) : refTo(COMPONENTS[kind])
    },
    answers: { 201: several ? json(listed(kind), 'What was added') : json(COMPONENTS[kind], 'It') },
    errors: [...errors, 409]
  })

/** The addition of a tag whose name is in the path. */
export const describeTag = operation({
  operationId: 'addMetadefTag',
  summary: 'Add a tag',
  tag: 'metadefs',
  params: ofDefinition,
  answers: { 201: json('MetadefTag', 'The tag') },
  errors: [...errors, 409]
})

/** The removal of all of one kind. */
export const describeClearing = (kind: DefinitionKind['kind']): FastifySchema =>
  operation({
    operationId: `clear${plural(kind)}`,
    summary: `Remove all ${kind} of a namespace`,
    tag: 'metadefs',
    params: ofNamespace,
    answers: { 204: nothing('They are gone') },
    errors
  })

export const describeShow = (kind: Kind): FastifySchema =>
  operation({
    operationId: `show${WORDS[kind].id}`,
    summary: `Show ${WORDS[kind].one}`,
    tag: 'metadefs',
    params: ofDefinition,
    ...(kind === 'properties' ? { querystring: byType } : {}),
    answers: { 200: json(COMPONENTS[kind], 'It') },
    errors
  })

export const describeChange = (kind: Kind): FastifySchema =>
  operation({
    operationId: `change${WORDS[kind].id}`,
    summary: `Change ${WORDS[kind].one}`,
    tag: 'metadefs',
    params: ofDefinition,
    body: { 'application/json': refTo(COMPONENTS[kind]) },
    answers: { 200: json(COMPONENTS[kind], 'It, as it is now') },
    errors: [...errors, 409]
  })

export const describeRemoval = (kind: Kind): FastifySchema =>
  operation({
    operationId: `remove${WORDS[kind].id}`,
    summary: `Remove ${WORDS[kind].one}`,
    tag: 'metadefs',
    params: ofDefinition,
    answers: { 204: nothing('It is gone') },
    errors
  })

export const describeAllTypes = operation({
  operationId: 'listResourceTypes',
  summary: 'List the resource types of all namespaces',
  tag: 'metadefs',
  answers: { 200: json(listOf('resource_types', 'MetadefResourceType'), 'All of them') },
  errors: [403]
})

const optional = (description: string) => Type.Optional(Type.String({ description }))

export const NAMESPACES = {
  list: operation({
    operationId: 'listMetadefNamespaces',
    summary: 'List namespaces of metadata definitions',
    tag: 'metadefs',
    querystring: Type.Object({
      limit: Type.Optional(
        Type.Integer({ minimum: 0, description: 'Most namespaces of one page' })
      ),
      marker: optional('Name of the namespace that the page begins after'),
      sort_key: optional('Key to sort by'),
      sort_dir: optional('Direction: `asc` or `desc`'),
      visibility: optional('Who may see the namespaces'),
      resource_types: optional('Resource types that they are about, joined by commas')
    }),
    answers: {
      200: json(pageOf('namespaces', 'MetadefNamespaceRow'), 'A page of namespaces')
    },
    errors
  }),
  create: operation({
    operationId: 'createMetadefNamespace',
    summary: 'Create a namespace',
    tag: 'metadefs',
    body: { 'application/json': refTo('NewMetadefNamespace') },
    answers: {
      201: json('MetadefNamespace', 'The namespace', { location: text('Address of the namespace') })
    },
    errors: [403, 409]
  }),
  show: operation({
    operationId: 'showMetadefNamespace',
    summary: 'Show a namespace with all that is in it',
    tag: 'metadefs',
    params: ofNamespace,
    querystring: byType,
    answers: { 200: json('MetadefNamespace', 'The namespace') },
    errors
  }),
  change: operation({
    operationId: 'changeMetadefNamespace',
    summary: 'Change a namespace',
    tag: 'metadefs',
    params: ofNamespace,
    body: { 'application/json': refTo('NewMetadefNamespace') },
    answers: { 200: json('MetadefNamespace', 'The namespace as it is now') },
    errors: [...errors, 409]
  }),
  remove: operation({
    operationId: 'removeMetadefNamespace',
    summary: 'Remove a namespace with all that is in it',
    tag: 'metadefs',
    params: ofNamespace,
    answers: { 204: nothing('It is gone') },
    errors
  })
}
