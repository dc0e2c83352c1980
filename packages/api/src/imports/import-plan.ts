import type { EnqueueOperation } from '@tank/model'
import { importInput } from './import-input.ts'
import type { ImportRequest } from './import-request.ts'

/** The work of an import into these stores; without `outside` its data is what was staged. */
export function importPlan(
  imageId: string,
  request: ImportRequest,
  targets: readonly string[],
  outside?: EnqueueOperation['outside']
) {
  return {
    kind: 'import',
    to: 'importing',
    fallback: 'queued',
    stores: targets,
    must_succeed: request.allMustSucceed,
    input: importInput(imageId, request, targets),
    location: null,
    ...(outside === undefined ? {} : { outside })
  } as const
}
