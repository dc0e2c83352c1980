import {
  type CreateNamespace,
  METADEF_KINDS,
  METADEF_LIMITS,
  METADEF_VISIBILITIES,
  type MetadefKind,
  type NamespaceDocument,
  type NamespaceFields,
  type NamespaceRow,
  type RegistryCaller,
  TankError,
  textLength
} from '@tank/model'
import { type Database, type Executor, run } from '../db/database.ts'
import { isDuplicate } from '../db/errors.ts'
import { shownTime } from '../images/document.ts'
import type { PageSize } from '../list/list-query.ts'
import { afterRow, pageEnd, parsePageQuery } from '../list/page-query.ts'
import { DEFINITION, insertDefinitions } from './definitions.ts'

const definitionsOf = (kind: MetadefKind) => `'${kind}', (
    SELECT coalesce(jsonb_agg(${DEFINITION} ORDER BY d.id), '[]') FROM metadef_definitions d
    WHERE d.namespace_id = n.id AND d.kind = '${kind}')`

const documentOf = (kinds: readonly MetadefKind[]) => `jsonb_build_object('namespace', n.name,
  'display_name', n.display_name, 'description', n.description, 'visibility', n.visibility,
  'protected', n.protected, 'owner', n.owner, 'created_at', ${shownTime('n.created_at')},
  'updated_at', ${shownTime('n.updated_at')}, ${kinds.map(definitionsOf).join(', ')})`

const ROW = documentOf(['resource_types'])
const WHOLE = documentOf(METADEF_KINDS)

/** $1 sees all, $2 project. */
const SEEN = `($1::boolean OR n.visibility = 'public' OR n.owner = $2::text)`
const NAMED = `FROM metadef_namespaces n WHERE n.name = $3 AND ${SEEN}`

const valuesFor = (caller: RegistryCaller, name: string) => [
  caller.scope === 'all',
  caller.project,
  name
]

function namespaceNotFound(): TankError {
  return new TankError('METADEF_NOT_FOUND', 'No namespace with this name was found.')
}

const SHOW = `SELECT ${WHOLE} ${NAMED}`

/** A namespace that the caller sees, with all that is in it. */
export async function showNamespace(
  database: Database,
  caller: RegistryCaller,
  name: string
): Promise<NamespaceDocument> {
  const [row] = await database.query(SHOW, valuesFor(caller, name))
  if (row === undefined) throw namespaceNotFound()
  return row[0] as NamespaceDocument
}

const KEYS = {
  created_at: 'n.created_at',
  updated_at: 'n.updated_at',
  namespace: 'n.name'
} as const
type Key = keyof typeof KEYS

/** One page of the namespaces that a caller sees (MD1). */
export async function listNamespaces(
  database: Database,
  caller: RegistryCaller,
  rawQuery: string,
  pageSize: PageSize
): Promise<{ namespaces: NamespaceRow[]; next: string | null }> {
  const query = parsePageQuery(rawQuery, Object.keys(KEYS) as Key[], pageSize)
  const { limit, marker } = query
  const visibility = query.word('visibility', METADEF_VISIBILITIES)
  const types = query.text('resource_types')?.split(',')
  if (marker !== undefined) await showNamespace(database, caller, marker)
  const key = KEYS[query.key]
  const one = `SELECT ${key}, n.id FROM metadef_namespaces n WHERE n.name = $3`
  const text = `SELECT ${ROW} FROM metadef_namespaces n WHERE ${SEEN}
    AND ($3::text IS NULL OR ${afterRow(query, key, 'n.id', one)})
    AND ($4::text IS NULL OR n.visibility = $4)
    AND ($5::text[] IS NULL OR EXISTS (SELECT FROM metadef_definitions d
      WHERE d.namespace_id = n.id AND d.kind = 'resource_types' AND d.name = ANY($5)))
    ${pageEnd(query, key, 'n.id')}`
  const { scope, project } = caller
  const values = [scope === 'all', project, marker ?? null, visibility ?? null, types ?? null]
  const rows = limit === 0 ? [] : await database.query(text, values)
  const namespaces = rows.slice(0, limit).map(([row]) => row as NamespaceRow)
  return { namespaces, next: rows.length > limit ? (namespaces.at(-1)?.namespace ?? null) : null }
}

const LIMITS: Readonly<Partial<Record<keyof NamespaceFields, number>>> = {
  namespace: METADEF_LIMITS.name,
  display_name: METADEF_LIMITS.name,
  description: METADEF_LIMITS.description,
  owner: METADEF_LIMITS.owner
}

function checkLengths(fields: NamespaceFields): void {
  for (const [name, value] of Object.entries(fields)) {
    const most = LIMITS[name as keyof NamespaceFields]
    if (most === undefined || typeof value !== 'string' || textLength(value) <= most) continue
    throw new TankError('INVALID_REQUEST', `${name} has at most ${most} characters.`)
  }
}

function valuesOf(fields: NamespaceFields): unknown[] {
  checkLengths(fields)
  return [
    fields.namespace,
    fields.display_name ?? null,
    fields.description ?? null,
    fields.visibility ?? 'private',
    fields.protected ?? false,
    fields.owner ?? null
  ]
}

function nameTaken(): TankError {
  return new TankError('METADEF_EXISTS', 'There is a namespace of this name already.')
}

const RENDER = `SELECT ${WHOLE} AS document FROM metadef_namespaces n WHERE n.id = $1`

async function render(trx: Executor, id: number): Promise<NamespaceDocument> {
  const [row] = await run<{ document: NamespaceDocument }>(trx, RENDER, [id])
  if (row === undefined) throw namespaceNotFound()
  return row.document
}

const INSERT = `INSERT INTO metadef_namespaces
    (name, display_name, description, visibility, protected, owner)
  VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id`

/** Makes a namespace with all that is in it, or nothing. */
export function createNamespace(
  database: Database,
  { definitions = {}, ...fields }: CreateNamespace
): Promise<NamespaceDocument> {
  const values = valuesOf(fields)
  return database.transaction(async (trx) => {
    const [made] = await run<{ id: number }>(trx, INSERT, values)
    if (made === undefined) throw nameTaken()
    for (const kind of METADEF_KINDS) {
      await insertDefinitions(trx, made.id, kind, definitions[kind] ?? [])
    }
    return render(trx, made.id)
  })
}

const LOCK = `SELECT n.id, n.protected ${NAMED} FOR UPDATE`

export interface LockedNamespace {
  readonly id: number
  readonly protected: boolean
}

/** Locks a namespace that the caller sees until the transaction ends: its writers take turns. */
export async function lockNamespace(
  trx: Executor,
  caller: RegistryCaller,
  name: string
): Promise<LockedNamespace> {
  const [namespace] = await run<LockedNamespace>(trx, LOCK, valuesFor(caller, name))
  if (namespace === undefined) throw namespaceNotFound()
  return namespace
}

/** Throws METADEF_PROTECTED when nothing may be deleted from the namespace (MD3). */
export function demandUnprotected(namespace: LockedNamespace): void {
  if (!namespace.protected) return
  throw new TankError(
    'METADEF_PROTECTED',
    'The namespace is protected: set its `protected` to false before anything in it is deleted.'
  )
}

const UPDATE = `UPDATE metadef_namespaces SET name = $1, display_name = $2, description = $3,
    visibility = $4, protected = $5, owner = $6, updated_at = now()
  WHERE id = $7`

/** Replaces what is said about a namespace; what is in it stays (MD2). */
export function updateNamespace(
  database: Database,
  caller: RegistryCaller,
  name: string,
  fields: NamespaceFields
): Promise<NamespaceDocument> {
  const values = valuesOf(fields)
  return database.transaction(async (trx) => {
    const { id } = await lockNamespace(trx, caller, name)
    try {
      await run(trx, UPDATE, [...values, id])
    } catch (error) {
      throw isDuplicate(error) ? nameTaken() : error
    }
    return render(trx, id)
  })
}

/** Deletes a namespace and all that is in it; resource types themselves stay (MD4). */
export function deleteNamespace(
  database: Database,
  caller: RegistryCaller,
  name: string
): Promise<void> {
  return database.transaction(async (trx) => {
    const namespace = await lockNamespace(trx, caller, name)
    demandUnprotected(namespace)
    await run(trx, 'DELETE FROM metadef_namespaces WHERE id = $1', [namespace.id])
  })
}
