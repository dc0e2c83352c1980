import { type RegistryCaller, VISIBILITIES, type Visibility } from '@tank/model'

/**
 * SQL of "the caller may see this image by its id": `sees` and `project` are the placeholders of
 * the two values that `visibilityValues` gives.
 */
export function visibleById(alias: string, sees: string, project: string): string {
  return `(${alias}.visibility = ANY(${sees}::text[]) OR ${alias}.owner IS NULL OR ${alias}.owner = ${project}::text
    OR ${alias}.visibility IN ('public', 'community')
    OR (${alias}.visibility = 'shared' AND EXISTS (
      SELECT FROM members m WHERE m.image_id = ${alias}.id AND m.member = ${project}::text)))`
}

/** The visibilities of which the caller sees every image, whosever it is, and its project. */
export function visibilityValues(
  caller: RegistryCaller
): [sees: readonly Visibility[], project: string | null] {
  return [caller.scope === 'all' ? VISIBILITIES : (caller.sees ?? []), caller.project]
}
