import { type FoundData, TankError } from '@tank/model'
import { type Executor, run } from '../db/database.ts'
import { checkFields } from '../images/fields.ts'

const DECLARED = 'SELECT disk_format, container_format FROM images WHERE id = $1'

/** A blob is judged once. */
const JUDGE = `UPDATE blobs SET virtual_size = $2, format = $3, verdict = $4
  WHERE id = $1 AND verdict IS NULL`

const FORMAT = 'UPDATE images SET disk_format = $2 WHERE id = $1'
const PROPERTIES = 'SELECT properties FROM images WHERE id = $1'
const DESCRIBE = 'UPDATE images SET properties = $2 WHERE id = $1'

/** What an image has been given stays; what is new is added as long as there is room for it. */
function withNews(
  own: Readonly<Record<string, string>>,
  { properties, properties_limit }: FoundData
): Record<string, string> {
  const all: Record<string, string> = Object.assign(Object.create(null), own)
  // the service's own bookkeeping does not count
  let count = Object.keys(own).filter((name) => !name.startsWith('os_glance')).length
  for (const [name, value] of Object.entries(properties)) {
    if (count >= (properties_limit ?? Infinity)) break
    if (Object.hasOwn(own, name)) continue
    all[name] = value
    count++
  }
  return all
}

/** Throws IMAGE_STATE when the image was given another format since somebody looked at its bytes. */
async function checkDeclared(
  trx: Executor,
  imageId: string,
  { declared }: FoundData
): Promise<void> {
  const [image] = await run<FoundData['declared']>(trx, DECLARED, [imageId])
  if (
    image?.disk_format === declared.disk_format &&
    image.container_format === declared.container_format
  ) {
    return
  }
  throw new TankError(
    'IMAGE_STATE',
    'The formats of the image were changed while its data came in. Send the data again.'
  )
}

/**
 * Notes what the bytes of an image turned out to be, before the image shows them. Throws IMAGE_STATE when
 * they were judged by formats that are not the image's any more.
 */
export async function takeFound(
  trx: Executor,
  imageId: string,
  blobId: string | null,
  found: FoundData
): Promise<void> {
  const { disk_format, format, verdict, virtual_size, properties } = found
  await checkDeclared(trx, imageId, found)
  checkFields({ properties })
  await run(trx, JUDGE, [blobId, virtual_size, format, verdict])
  if (disk_format !== null) await run(trx, FORMAT, [imageId, disk_format])
  if (Object.keys(properties).length === 0) return
  const [image] = await run<{ properties: Record<string, string> }>(trx, PROPERTIES, [imageId])
  const all = withNews(image?.properties ?? {}, found)
  await run(trx, DESCRIBE, [imageId, JSON.stringify(all)])
}
