/** SQL of an id as its creator wrote it. */
export function displayId(alias: string): string {
  return `coalesce(${alias}.display_id, ${alias}.id::text)`
}

/** SQL of a time as documents show it. */
export function shownTime(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
}

/** SQL of a time with all its digits, RFC 3339. */
export function exactTime(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
}

/**
 * SQL of an image as JSON text, the very bytes that clients get. Server-owned names come last, so
 * that no custom property can stand in their place.
 */
export function documentText(alias: string): string {
  const id = displayId(alias)
  const column = (name: string) => `'${name}', ${alias}.${name}`
  return `(${alias}.properties || jsonb_build_object(
    'id', ${id}, ${column('name')}, ${column('status')}, ${column('visibility')},
    ${column('protected')}, ${column('os_hidden')}, ${column('owner')}, ${column('tags')},
    ${column('container_format')}, ${column('disk_format')}, ${column('min_disk')},
    ${column('min_ram')}, ${column('size')}, ${column('virtual_size')}, ${column('checksum')},
    ${column('os_hash_algo')}, ${column('os_hash_value')},
    'created_at', ${shownTime(`${alias}.created_at`)},
    'updated_at', ${shownTime(`${alias}.updated_at`)},
    'self', '/v2/images/' || ${id}, 'file', '/v2/images/' || ${id} || '/file',
    'schema', '/v2/schemas/image'
  ) || CASE WHEN ${alias}.stores IS NULL THEN '{}'::jsonb
    ELSE jsonb_build_object('stores', ${alias}.stores) END)::text`
}
