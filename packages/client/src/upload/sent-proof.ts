import { createHash, getHashes } from 'node:crypto'
import type { ImageDocument } from '@tank/model'
import { TankClientError } from '../errors.ts'

/** Digests of what was sent. */
export interface SentProof {
  update(chunk: Uint8Array): void
  /** Throws unless the image has these bytes. */
  compare(image: ImageDocument): void
}

/** Which of them a server computes is only known when it is too late to begin. */
const ALGORITHMS = ['sha512', 'sha256', 'md5']

/** Keeps the digests of the bytes that it is shown, where they are wanted. */
export function createSentProof(isWanted: boolean): SentProof {
  const known = new Set(isWanted ? getHashes() : [])
  const hashes = ALGORITHMS.filter((each) => known.has(each)).map((each) => createHash(each))
  const names = ALGORITHMS.filter((each) => known.has(each))
  let bytes = 0
  return {
    update(chunk) {
      bytes += chunk.byteLength
      for (const hash of hashes) hash.update(chunk)
    },
    compare({ size, os_hash_algo, os_hash_value, checksum }) {
      const strong = names.indexOf(String(os_hash_algo))
      const [hash, value] =
        strong === -1 || typeof os_hash_value !== 'string'
          ? [hashes[names.indexOf('md5')], checksum]
          : [hashes[strong], os_hash_value]
      const advice = 'delete the image, and upload it again'
      if (typeof size === 'number' && size !== bytes) {
        const text = `the server has stored ${size} bytes of the ${bytes} that were sent: ${advice}`
        throw new TankClientError('SIZE_MISMATCH', text)
      }
      if (hash === undefined || typeof value !== 'string') {
        throw new TankClientError('NO_DIGEST', 'the server names no digest of what it has stored')
      }
      if (hash.digest('hex') !== value.toLowerCase()) {
        const text = `the server has stored other bytes than were sent: ${advice}`
        throw new TankClientError('DIGEST_MISMATCH', text)
      }
    }
  }
}
