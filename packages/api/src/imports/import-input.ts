import type { ImportRequest } from './import-request.ts'

/** The input of an import task, as the registry keeps it and people see it. */
export function importInput(
  imageId: string,
  request: Pick<ImportRequest, 'body'>,
  stores: readonly string[]
) {
  return { image_id: imageId, import_req: request.body, backend: stores }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** Reads what a worker needs of the input of an import, or of an import task. */
export function readImportInput(input: Readonly<Record<string, unknown>>): {
  readonly uri: string | undefined
} {
  const uri = input.import_from ?? member(member(input.import_req, 'method'), 'uri')
  return { uri: typeof uri === 'string' ? uri : undefined }
}
