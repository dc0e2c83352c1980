import { createMigration, statement } from './steps.ts'

/**
 * Names and statuses are compared by code point, so that order does not depend on the locale of a
 * cluster and indexes survive an upgrade of its C library.
 */
const TABLES = [
  `CREATE TABLE IF NOT EXISTS blobs (
    id uuid PRIMARY KEY,
    size bigint,
    sha256 text,
    md5 text,
    os_hash_algo text,
    os_hash_value text,
    virtual_size bigint,
    format text,
    verdict text,
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
  )`,
  `CREATE TABLE IF NOT EXISTS images (
    id uuid PRIMARY KEY,
    display_id text,
    create_token text NOT NULL,
    name text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    visibility text COLLATE "C" NOT NULL,
    owner text COLLATE "C",
    protected boolean NOT NULL,
    os_hidden boolean NOT NULL,
    container_format text COLLATE "C",
    disk_format text COLLATE "C",
    min_disk integer NOT NULL,
    min_ram integer NOT NULL,
    size bigint,
    virtual_size bigint,
    checksum text,
    os_hash_algo text,
    os_hash_value text,
    stores text,
    tags text[] NOT NULL,
    properties jsonb NOT NULL,
    blob_id uuid REFERENCES blobs,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
  )`,
  `CREATE TABLE IF NOT EXISTS members (
    image_id uuid NOT NULL REFERENCES images,
    member text COLLATE "C" NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (image_id, member)
  )`,
  `CREATE TABLE IF NOT EXISTS placements (
    id uuid PRIMARY KEY,
    blob_id uuid NOT NULL REFERENCES blobs,
    store text NOT NULL,
    key text NOT NULL,
    role text NOT NULL,
    state text NOT NULL,
    project text,
    bytes bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    garbage_at timestamptz,
    next_at timestamptz,
    claim uuid,
    claimed_until timestamptz
  )`,
  `CREATE TABLE IF NOT EXISTS operations (
    id uuid PRIMARY KEY,
    image_id uuid NOT NULL,
    kind text NOT NULL,
    exclusive boolean NOT NULL,
    state text NOT NULL,
    attempt text NOT NULL,
    worker text,
    lease_until timestamptz,
    to_status text,
    fallback text NOT NULL,
    blob_id uuid,
    placement_id uuid,
    progress bigint NOT NULL DEFAULT 0,
    reserved bigint NOT NULL DEFAULT 0,
    reserve_known boolean NOT NULL DEFAULT false,
    project text,
    caller_project text,
    caller_user text,
    request_id text,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE IF NOT EXISTS usage (
    project text NOT NULL,
    slot smallint NOT NULL,
    images bigint NOT NULL DEFAULT 0,
    stored_bytes bigint NOT NULL DEFAULT 0,
    reserved_bytes bigint NOT NULL DEFAULT 0,
    uploads bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (project, slot)
  ) WITH (fillfactor = 50)`,
  `CREATE TABLE IF NOT EXISTS changes (
    id bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    image_id uuid NOT NULL,
    type text NOT NULL,
    actor text,
    project text,
    request_id text,
    at timestamptz NOT NULL DEFAULT now(),
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (xid, id)
  )`
]

const SHOWN = `deleted_at IS NULL AND status <> 'killed' AND NOT os_hidden`
const HIDDEN = `deleted_at IS NULL AND status <> 'killed' AND os_hidden`

/** Sort keys as pages compare them: what is null sorts like '' and 0. */
const KEYS: Readonly<Record<string, string>> = {
  name: `(coalesce(name, ''))`,
  status: 'status',
  size: '(coalesce(size, 0))',
  updated: 'updated_at'
}

/** Every branch of a list is fixed to one owner or to one visibility, so these lead the indexes. */
const LISTS = ['owner', 'visibility'].flatMap((lead) => [
  `CREATE INDEX IF NOT EXISTS images_${lead}_created
    ON images (${lead}, created_at, id) WHERE ${SHOWN}`,
  ...Object.entries(KEYS).map(
    ([name, key]) => `CREATE INDEX IF NOT EXISTS images_${lead}_${name}
      ON images (${lead}, ${key}, created_at, id) WHERE ${SHOWN}`
  ),
  `CREATE INDEX IF NOT EXISTS images_${lead}_hidden
    ON images (${lead}, created_at, id) WHERE ${HIDDEN}`
])

/** For filters of administrators, whose lists are as long as the catalogue. */
const FILTERS = [
  ...['disk_format', 'container_format'].map(
    (column) => `CREATE INDEX IF NOT EXISTS images_${column}
      ON images ((coalesce(${column}, '')), created_at, id) WHERE ${SHOWN}`
  ),
  ...['min_ram', 'min_disk'].map(
    (column) => `CREATE INDEX IF NOT EXISTS images_${column} ON images (${column}, created_at, id)
      WHERE ${SHOWN} AND ${column} > 0`
  ),
  `CREATE INDEX IF NOT EXISTS images_virtual_size
    ON images (virtual_size) WHERE virtual_size IS NOT NULL`,
  `CREATE INDEX IF NOT EXISTS images_protected
    ON images (created_at, id) WHERE ${SHOWN} AND protected`,
  // hash indexes: only ever asked for whole values, and these are long
  `CREATE INDEX IF NOT EXISTS images_os_hash_value ON images USING hash (os_hash_value)
    WHERE os_hash_value IS NOT NULL`,
  `CREATE INDEX IF NOT EXISTS images_checksum
    ON images USING hash (checksum) WHERE checksum IS NOT NULL`
]

/** The planner does not look at what a partial index knows about its expressions. */
const STATISTICS = [
  ...['name', 'disk_format', 'container_format'].map((column) => [
    column,
    `coalesce(${column}, '')`
  ]),
  ['size', 'coalesce(size, 0)']
].map(
  ([name, value]) =>
    `CREATE STATISTICS IF NOT EXISTS images_${name}_values ON (${value}) FROM images`
)

const INDEXES = [
  ...LISTS,
  ...FILTERS,
  ...STATISTICS,
  `CREATE INDEX IF NOT EXISTS images_tags ON images USING gin (tags) WITH (fastupdate = off)
    WHERE deleted_at IS NULL AND tags <> '{}'`,
  `CREATE INDEX IF NOT EXISTS images_properties ON images USING gin (properties jsonb_path_ops)
    WITH (fastupdate = off) WHERE deleted_at IS NULL AND properties <> '{}'`,
  'CREATE INDEX IF NOT EXISTS images_blob ON images (blob_id) WHERE blob_id IS NOT NULL',
  'CREATE INDEX IF NOT EXISTS members_member ON members (member, status, image_id)',
  'CREATE INDEX IF NOT EXISTS placements_blob ON placements (blob_id)',
  // keys are ours and used once; outside locations may serve several images
  `CREATE UNIQUE INDEX IF NOT EXISTS placements_key
    ON placements (store, md5(key)) WHERE role <> 'external'`,
  `CREATE INDEX IF NOT EXISTS placements_garbage
    ON placements (store, next_at) WHERE state = 'garbage'`,
  `CREATE UNIQUE INDEX IF NOT EXISTS operations_exclusive ON operations (image_id)
    WHERE exclusive AND state IN ('pending', 'running')`,
  `CREATE INDEX IF NOT EXISTS operations_lease ON operations (lease_until) WHERE state = 'running'`,
  'CREATE INDEX IF NOT EXISTS operations_image ON operations (image_id, created_at)',
  'CREATE INDEX IF NOT EXISTS operations_created ON operations (created_at)'
]

export const initial = createMigration([...TABLES, ...INDEXES].map(statement))
