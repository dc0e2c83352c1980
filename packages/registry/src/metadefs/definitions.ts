import {
  type Definition,
  type DefinitionDocument,
  foldName,
  METADEF_LIMITS,
  type MetadefKind,
  TankError,
  textLength
} from '@tank/model'
import { type Executor, run } from '../db/database.ts'
import { isDuplicate } from '../db/errors.ts'
import { shownTime } from '../images/document.ts'

/** SQL of a definition as documents show it. */
export const DEFINITION = `(d.body || jsonb_build_object('name', d.name,
  'created_at', ${shownTime('d.created_at')}, 'updated_at', ${shownTime('d.updated_at')}))`

interface Row {
  readonly document: DefinitionDocument
}

/** What a definition is called and found by, and everything else. */
function columnsOf(kind: MetadefKind, { name, ...body }: Definition) {
  if (name === '' || textLength(name) > METADEF_LIMITS.name) {
    throw new TankError('INVALID_REQUEST', `A name has 1 to ${METADEF_LIMITS.name} characters.`)
  }
  return { name, folded: foldName(kind, name), body: JSON.stringify(body) }
}

const INSERT = `INSERT INTO metadef_definitions AS d (namespace_id, kind, name, folded, body)
  SELECT $1, $2, g.name, g.folded, g.body
  FROM unnest($3::text[], $4::text[], $5::jsonb[]) WITH ORDINALITY g (name, folded, body, n)
  ORDER BY g.n
  ON CONFLICT DO NOTHING RETURNING ${DEFINITION} AS document`

/** An unknown resource type is made by naming it (MD6). */
const KNOW_TYPES = `INSERT INTO metadef_resource_types (name)
  SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`

function nameTaken(): TankError {
  return new TankError('METADEF_EXISTS', 'The namespace has one of this kind and name already.')
}

/** Adds definitions, all or none; the namespace is locked or new. */
export async function insertDefinitions(
  trx: Executor,
  namespaceId: number,
  kind: MetadefKind,
  definitions: readonly Definition[]
): Promise<DefinitionDocument[]> {
  if (definitions.length === 0) return []
  const columns = definitions.map((definition) => columnsOf(kind, definition))
  const names = columns.map(({ name }) => name)
  const folded = columns.map(({ folded }) => folded)
  const bodies = columns.map(({ body }) => body)
  const made = await run<Row>(trx, INSERT, [namespaceId, kind, names, folded, bodies])
  if (made.length < definitions.length) throw nameTaken()
  if (kind === 'resource_types') await run(trx, KNOW_TYPES, [names])
  return made.map(({ document }) => document)
}

const UPDATE = `UPDATE metadef_definitions AS d SET name = $4, folded = $5, body = $6,
    updated_at = now()
  WHERE d.namespace_id = $1 AND d.kind = $2 AND d.folded = $3
  RETURNING ${DEFINITION} AS document`

function definitionNotFound(): TankError {
  return new TankError('METADEF_NOT_FOUND', 'The namespace has none of this kind and name.')
}

/** Replaces a definition, also its name. */
export async function replaceDefinition(
  trx: Executor,
  namespaceId: number,
  kind: MetadefKind,
  oldName: string,
  definition: Definition
): Promise<DefinitionDocument> {
  const { name, folded, body } = columnsOf(kind, definition)
  const values = [namespaceId, kind, foldName(kind, oldName), name, folded, body]
  try {
    const [changed] = await run<Row>(trx, UPDATE, values)
    if (changed === undefined) throw definitionNotFound()
    return changed.document
  } catch (error) {
    throw isDuplicate(error) ? nameTaken() : error
  }
}

const REMOVE = `DELETE FROM metadef_definitions d
  WHERE d.namespace_id = $1 AND d.kind = $2 AND ($3::text IS NULL OR d.folded = $3) RETURNING d.id`

/** Removes a definition; with null for its name, all of a kind. */
export async function removeDefinitions(
  trx: Executor,
  namespaceId: number,
  kind: MetadefKind,
  name: string | null
): Promise<void> {
  const folded = name === null ? null : foldName(kind, name)
  const removed = await run(trx, REMOVE, [namespaceId, kind, folded])
  if (name !== null && removed.length === 0) throw definitionNotFound()
}
