import { isDeepStrictEqual } from 'node:util'
import type {
  CreateNamespace,
  Definition,
  DefinitionDocument,
  MetadefKind,
  NamespaceDocument,
  NamespaceFields,
  NamespacePage,
  RegistryCaller,
  ResourceTypeDocument
} from '@tank/model'
import { checked, type Exchange, json, type RegistryCallOptions } from './registry-exchange.ts'
import type { FailoverAnswer } from './registry-failover.ts'

/**
 * Metadata definitions. Rejects with METADEF_NOT_FOUND, METADEF_EXISTS and, where something is
 * deleted, METADEF_PROTECTED.
 */
export interface MetadefCalls {
  listResourceTypes(
    c: RegistryCaller,
    o?: RegistryCallOptions
  ): Promise<readonly ResourceTypeDocument[]>
  /** `query`: the raw query of the list, without `?`. */
  listNamespaces(c: RegistryCaller, query: string, o?: RegistryCallOptions): Promise<NamespacePage>
  getNamespace(c: RegistryCaller, name: string, o?: RegistryCallOptions): Promise<NamespaceDocument>
  createNamespace(
    c: RegistryCaller,
    namespace: CreateNamespace,
    o?: RegistryCallOptions
  ): Promise<NamespaceDocument>
  updateNamespace(
    c: RegistryCaller,
    name: string,
    fields: NamespaceFields,
    o?: RegistryCallOptions
  ): Promise<NamespaceDocument>
  deleteNamespace(c: RegistryCaller, name: string, o?: RegistryCallOptions): Promise<void>
  /** Adds all or none; `replace`: instead of all of this kind. */
  addDefinitions(
    c: RegistryCaller,
    at: { readonly namespace: string; readonly kind: MetadefKind; readonly replace?: boolean },
    definitions: readonly Definition[],
    o?: RegistryCallOptions
  ): Promise<readonly DefinitionDocument[]>
  updateDefinition(
    c: RegistryCaller,
    at: { readonly namespace: string; readonly kind: MetadefKind; readonly name: string },
    definition: Definition,
    o?: RegistryCallOptions
  ): Promise<DefinitionDocument>
  /** Removes one or, without a name, all of a kind. */
  removeDefinitions(
    c: RegistryCaller,
    at: { readonly namespace: string; readonly kind: MetadefKind; readonly name?: string },
    o?: RegistryCallOptions
  ): Promise<void>
}

const NAMESPACES = '/v1/metadefs/namespaces'

const pathOf = (...names: readonly string[]) =>
  [NAMESPACES, ...names.map((name) => encodeURIComponent(name))].join('/')

/** True when something has every value that was asked for. */
function fulfils(found: object, wanted: object): boolean {
  return Object.entries(wanted).every(([key, value]) =>
    isDeepStrictEqual(Reflect.get(found, key), value)
  )
}

/** Definitions of a namespace that are what was asked for; undefined when one is not. */
function fulfilled(
  namespace: NamespaceDocument,
  kind: MetadefKind,
  wanted: readonly Definition[]
): DefinitionDocument[] | undefined {
  const found = wanted.map((one) => namespace[kind].find((other) => fulfils(other, one)))
  return found.every((one) => one !== undefined) ? found : undefined
}

/** The answer may be about what a first sending, whose answer was lost, has done itself. */
const mayBeDone = ({ repeated, status }: FailoverAnswer) =>
  repeated && (status === 409 || status === 404)

/** The calls about metadata definitions over an exchange. */
export function createMetadefCalls(exchange: Exchange): MetadefCalls {
  const getNamespace: MetadefCalls['getNamespace'] = async (caller, name, options) =>
    json(checked(await exchange(caller, 'GET', pathOf(name), undefined, options)))
  /** The namespace as it is now, undefined when there is none. */
  const look = async (caller: RegistryCaller, name: string, options?: RegistryCallOptions) => {
    const answer = await exchange(caller, 'GET', pathOf(name), undefined, options)
    return answer.status === 404 ? undefined : json<NamespaceDocument>(checked(answer))
  }
  const remove = async (
    caller: RegistryCaller,
    path: string,
    options: RegistryCallOptions | undefined
  ): Promise<void> => {
    const answer = await exchange(caller, 'DELETE', path, undefined, options)
    if (answer.status === 404 && answer.repeated) return
    checked(answer)
  }
  return {
    getNamespace,
    async listResourceTypes(caller, options) {
      const path = '/v1/metadefs/resource_types'
      const answer = checked(await exchange(caller, 'GET', path, undefined, options))
      return json<{ resource_types: ResourceTypeDocument[] }>(answer).resource_types
    },
    async listNamespaces(caller, query, options) {
      const path = query === '' ? NAMESPACES : `${NAMESPACES}?${query}`
      return json(checked(await exchange(caller, 'GET', path, undefined, options)))
    },
    async createNamespace(caller, namespace, options) {
      const answer = await exchange(caller, 'POST', NAMESPACES, namespace, options)
      if (mayBeDone(answer)) {
        const { definitions: _definitions, ...fields } = namespace
        const found = await look(caller, namespace.namespace, options)
        if (found !== undefined && fulfils(found, fields)) return found
      }
      return json(checked(answer))
    },
    async updateNamespace(caller, name, fields, options) {
      const answer = await exchange(caller, 'PUT', pathOf(name), fields, options)
      if (mayBeDone(answer)) {
        const found = await look(caller, fields.namespace, options)
        if (found !== undefined && fulfils(found, fields)) return found
      }
      return json(checked(answer))
    },
    deleteNamespace: (caller, name, options) => remove(caller, pathOf(name), options),
    async addDefinitions(caller, { namespace, kind, replace = false }, definitions, options) {
      const body = { definitions, replace }
      const answer = await exchange(caller, 'POST', pathOf(namespace, kind), body, options)
      if (mayBeDone(answer)) {
        const found = await look(caller, namespace, options)
        const done = found === undefined ? undefined : fulfilled(found, kind, definitions)
        if (done !== undefined) return done
      }
      return json<{ definitions: DefinitionDocument[] }>(checked(answer)).definitions
    },
    async updateDefinition(caller, { namespace, kind, name }, definition, options) {
      const path = pathOf(namespace, kind, name)
      const answer = await exchange(caller, 'PUT', path, definition, options)
      if (mayBeDone(answer)) {
        const found = await look(caller, namespace, options)
        const [done] = (found && fulfilled(found, kind, [definition])) ?? []
        if (done !== undefined) return done
      }
      return json(checked(answer))
    },
    removeDefinitions: (caller, { namespace, kind, name }, options) =>
      remove(caller, pathOf(namespace, kind, ...(name === undefined ? [] : [name])), options)
  }
}
