import {
  type DefinitionDocument,
  foldName,
  type MetadefKind,
  type NamespaceDocument,
  TankError
} from '@tank/model'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from '../../../context.ts'
import { registryCaller } from '../../../identity/caller.ts'
import type { Action } from '../../../policy/actions.ts'

export interface NamespaceParams {
  readonly namespace: string
}

export interface DefinitionParams extends NamespaceParams {
  readonly name: string
}

/** A namespace that the caller sees, and may do this with. */
export async function namespaceFor(
  { registry, policy }: ApiContext,
  request: FastifyRequest<{ Params: NamespaceParams }>,
  action: Action
): Promise<NamespaceDocument> {
  const caller = registryCaller(request)
  const namespace = await registry.getNamespace(caller, request.params.namespace)
  policy.demand(request.caller, action, namespace)
  return namespace
}

/** The definition of a kind and name. Throws METADEF_NOT_FOUND. */
export function definitionIn(
  namespace: NamespaceDocument,
  kind: MetadefKind,
  name: string
): DefinitionDocument {
  const folded = foldName(kind, name)
  const found = namespace[kind].find((one) => foldName(kind, one.name) === folded)
  if (found !== undefined) return found
  throw new TankError('METADEF_NOT_FOUND', 'The namespace has none of this kind and name.')
}

/** The parameter `resource_type` of a request. */
export function askedType(request: FastifyRequest): string | undefined {
  const { resource_type: type } = request.query as { readonly resource_type?: unknown }
  return typeof type === 'string' && type !== '' ? type : undefined
}
