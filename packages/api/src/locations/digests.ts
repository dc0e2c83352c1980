import { type ImageDocument, TankError } from '@tank/model'
import { digestLength } from './input.ts'
import type { SaidDigests } from './patch-input.ts'

function conflict(message: string): never {
  throw new TankError('PROPERTY_CONFLICT', message)
}

function checkHex(name: string, value: string, length: number | undefined): void {
  if (!/^[0-9a-f]+$/.test(value) || value.length !== length) {
    conflict(`'${name}' is no such digest in hexadecimal`)
  }
}

function lowerCase({ os_hash_algo, os_hash_value, checksum }: SaidDigests): SaidDigests {
  const hash = { os_hash_algo, os_hash_value: os_hash_value.toLowerCase() }
  return checksum === undefined ? hash : { ...hash, checksum: checksum.toLowerCase() }
}

/**
 * The digests that a queued image gets by what was said of its locations, null when nothing was. An
 * image with data keeps its own, and nothing else may be said. Throws PROPERTY_CONFLICT (PL8).
 */
export function mergeDigests(
  image: ImageDocument,
  said: readonly SaidDigests[],
  osHashAlgo: string
): SaidDigests | null {
  const merged: Record<string, string> = {}
  for (const digests of said.map(lowerCase)) {
    for (const [name, value] of Object.entries(digests)) {
      if ((merged[name] ?? value) !== value) conflict(`'${name}' is given with different values`)
      if (image.status !== 'queued' && image[name] !== value) {
        conflict(`'${name}' is not what the image has`)
      }
      merged[name] = value
    }
  }
  const { os_hash_algo, os_hash_value = '', checksum } = merged
  if (image.status !== 'queued' || os_hash_algo === undefined) return null
  if (os_hash_algo !== osHashAlgo) conflict(`'os_hash_algo' must be ${osHashAlgo}`)
  checkHex('os_hash_value', os_hash_value, digestLength(os_hash_algo))
  if (checksum === undefined) return { os_hash_algo, os_hash_value }
  checkHex('checksum', checksum, digestLength('md5'))
  return { os_hash_algo, os_hash_value, checksum }
}
