/**
 * SQL of an image's `stores`: where the data of the blob lies, heavier stores first, then by name
 * (STO12). Null when it lies nowhere.
 */
export function storesOfBlob(blobId: string): string {
  return `(SELECT string_agg(s.store, ',' ORDER BY s.weight DESC, s.store) FROM (
    SELECT p.store, max(p.weight) AS weight FROM placements p
    WHERE p.blob_id = ${blobId} AND p.state = 'stored' AND p.role IN ('data', 'external')
    GROUP BY p.store) s)`
}
