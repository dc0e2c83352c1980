import type { Caller } from '../identity/caller.ts'
import type { PropertyProtections } from '../policy/property-protections.ts'
import type { PropertyRules } from './rules.ts'

/** Somebody without any right. */
const ANYBODY: Caller = {
  user: null,
  project: null,
  domain: null,
  roles: new Set(),
  serviceRoles: new Set(),
  readOnly: false
}

/** The properties that everybody may create, as many as an image may have (PP1). */
export function freeProperties(
  { limits }: { readonly limits: { readonly properties: number } },
  protections: PropertyProtections
): PropertyRules {
  return {
    isFree: (name) => protections.may(ANYBODY, 'create', name),
    limit: limits.properties < 0 ? null : limits.properties
  }
}
