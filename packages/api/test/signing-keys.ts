import {
  constants,
  createSign,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate
} from 'node:crypto'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** The key pairs that images may be signed with, by what `img_signature_key_type` says. */
export function signingKeys(): Readonly<Record<string, KeyPair>> {
  const curves = ['sect571k1', 'sect409k1', 'sect571r1', 'sect409r1', 'secp521r1', 'secp384r1']
  return {
    'RSA-PSS': generateKeyPairSync('rsa', { modulusLength: 2048 }),
    DSA: generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }),
    ...Object.fromEntries(
      curves.map((namedCurve) => [
        `ECC_${namedCurve.toUpperCase()}`,
        generateKeyPairSync('ec', { namedCurve })
      ])
    )
  }
}

/** Signs as `openssl dgst -sign` does; RSA keys by PSS. */
export function sign(
  data: Buffer,
  hash: string,
  { privateKey }: KeyPair,
  saltLength = constants.RSA_PSS_SALTLEN_MAX_SIGN
): string {
  const isRsa = privateKey.asymmetricKeyType === 'rsa'
  const pss = isRsa ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength } : {}
  return createSign(hash)
    .update(data)
    .sign({ key: privateKey, ...pss }, 'base64')
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), body])
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), body])
}

const SEQUENCE = 0x30
const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
/** ecdsa-with-SHA256 */
const ALGORITHM = der(SEQUENCE, Buffer.from('06082a8648ce3d040302', 'hex'))
/** CN=signer */
const NAME = der(
  SEQUENCE,
  der(0x31, der(SEQUENCE, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('signer'))))
)

function time(date: string): Buffer {
  return der(0x18, Buffer.from(`${date.replaceAll('-', '')}000000Z`))
}

/** A certificate in PEM (RFC 5280) for a key, by an authority that is made anew in each process. */
export function certify(
  { publicKey }: KeyPair,
  from = '2020-01-01',
  until = '2100-01-01'
): X509Certificate {
  const content = der(
    SEQUENCE,
    Buffer.from('a003020102', 'hex'), // version 3
    Buffer.from('020101', 'hex'), // serial number 1
    ALGORITHM,
    NAME,
    der(SEQUENCE, time(from), time(until)),
    NAME,
    publicKey.export({ type: 'spki', format: 'der' })
  )
  const signature = createSign('sha256').update(content).sign(authority.privateKey)
  return new X509Certificate(
    der(SEQUENCE, content, ALGORITHM, der(0x03, Buffer.from([0]), signature))
  )
}
