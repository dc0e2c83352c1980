import { createIndex, createMigration, statement } from './steps.ts'

/** What the services of a cloud define properties for. */
const RESOURCE_TYPES = [
  'OS::Glance::Image',
  'OS::Cinder::Volume',
  'OS::Nova::Flavor',
  'OS::Nova::Aggregate',
  'OS::Nova::Server',
  'OS::Trove::Instance'
]

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS metadef_namespaces (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    display_name text,
    description text,
    visibility text NOT NULL,
    protected boolean NOT NULL,
    owner text COLLATE "C",
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  )`,
  'CREATE INDEX IF NOT EXISTS metadef_namespaces_created ON metadef_namespaces (created_at, id)',
  `CREATE TABLE IF NOT EXISTS metadef_definitions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id bigint NOT NULL REFERENCES metadef_namespaces ON DELETE CASCADE,
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    folded text COLLATE "C" NOT NULL,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (namespace_id, kind, folded)
  )`,
  `CREATE TABLE IF NOT EXISTS metadef_resource_types (
    name text COLLATE "C" PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  )`,
  `INSERT INTO metadef_resource_types (name)
    VALUES ${RESOURCE_TYPES.map((name) => `('${name}')`).join(', ')}
    ON CONFLICT DO NOTHING`
]

/**
 * Metadata definitions: namespaces, and one table for all that is in them. And the index that makes
 * the list of tasks cheap among many uploads.
 */
export const metadefs = createMigration([
  ...STATEMENTS.map(statement),
  createIndex('operations_tasks', 'operations (created_at, id) WHERE background')
])
