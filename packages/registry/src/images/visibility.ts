import type { RegistryCaller } from '@tank/model'

/**
 * SQL of "the caller may see this image by its id": `all` and `project` are the placeholders of
 * the two values that `visibilityValues` gives.
 */
export function visibleById(alias: string, all: string, project: string): string {
  return `(${all}::boolean OR ${alias}.owner IS NULL OR ${alias}.owner = ${project}::text
    OR ${alias}.visibility IN ('public', 'community')
    OR (${alias}.visibility = 'shared' AND EXISTS (
      SELECT FROM members m WHERE m.image_id = ${alias}.id AND m.member = ${project}::text)))`
}

export function visibilityValues(caller: RegistryCaller): [all: boolean, project: string | null] {
  return [caller.scope === 'all', caller.project]
}
