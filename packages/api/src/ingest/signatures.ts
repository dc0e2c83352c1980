import { constants, createVerify, type KeyObject, type X509Certificate } from 'node:crypto'
import { TankError } from '@tank/model'
import type { DigestRun } from './digests.ts'
import type { SigningCertificates } from './signing-certificates.ts'

/** A signature that the data of an image has to fit. */
export interface DataSignature {
  /** Begins one look at the data. */
  check(): SignatureCheck
}

interface SignatureCheck {
  /** Takes the next bytes. */
  update(chunk: Uint8Array): void
  /** Throws INVALID_REQUEST when the signature is not one of these bytes. */
  end(): void
}

/** Tells which signature an image demands. */
export interface Signatures {
  /**
   * Reads the signature from the properties of an image; undefined when it is not signed, which is
   * when one of the four properties is missing (SG1). Throws INVALID_REQUEST for what cannot be
   * verified here: an unknown method, key type or certificate, or one that is not valid now (SG3, SG5).
   */
  demanded(image: Readonly<Record<string, unknown>>): DataSignature | undefined
}

interface KeyKind {
  readonly type: 'rsa' | 'dsa' | 'ec'
  readonly curve?: string
}

interface Claim {
  readonly signature: string
  readonly method: string
  readonly keyType: string
  readonly certificateId: string
}

const PREFIX = 'img_signature'

const HASHES: ReadonlyMap<string, string> = new Map([
  ['SHA-224', 'sha224'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512']
])

const CURVES = ['SECT571K1', 'SECT409K1', 'SECT571R1', 'SECT409R1', 'SECP521R1', 'SECP384R1']

const KEY_KINDS: ReadonlyMap<string, KeyKind> = new Map<string, KeyKind>([
  ['RSA-PSS', { type: 'rsa' }],
  ['DSA', { type: 'dsa' }],
  ...CURVES.map((name): [string, KeyKind] => [
    `ECC_${name}`,
    { type: 'ec', curve: name.toLowerCase() }
  ])
])

function refusal(message: string): TankError {
  return new TankError('INVALID_REQUEST', message)
}

function readClaim(image: Readonly<Record<string, unknown>>): Claim | undefined {
  const signature = image[PREFIX]
  const method = image[`${PREFIX}_hash_method`]
  const keyType = image[`${PREFIX}_key_type`]
  const certificateId = image[`${PREFIX}_certificate_uuid`]
  const isSigned =
    typeof signature === 'string' &&
    typeof method === 'string' &&
    typeof keyType === 'string' &&
    typeof certificateId === 'string'
  return isSigned ? { signature, method, keyType, certificateId } : undefined
}

function known<T>(values: ReadonlyMap<string, T>, name: string, property: string): T {
  const value = values.get(name)
  if (value !== undefined) return value
  throw refusal(`${PREFIX}_${property} has to be one of ${[...values.keys()].join(', ')}`)
}

function readSignature(text: string): Buffer {
  const base64 = text.replace(/\s/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    throw refusal(`${PREFIX} has to be the signature in base64`)
  }
  return Buffer.from(base64, 'base64')
}

function demandValid({ validFrom, validTo }: X509Certificate, now: number): void {
  if (now < Date.parse(validFrom)) {
    throw refusal(`The certificate of the signature is not valid before ${validFrom}`)
  }
  // also true when a date cannot be read
  if (!(now <= Date.parse(validTo))) {
    throw refusal(`The certificate of the signature expired on ${validTo}`)
  }
}

function keyOf({ publicKey }: X509Certificate, keyType: string, kind: KeyKind): KeyObject {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  const isFit = type === kind.type || (kind.type === 'rsa' && type === 'rsa-pss')
  if (isFit && (kind.curve === undefined || kind.curve === details?.namedCurve)) return publicKey
  throw refusal(`The key of the certificate is not one for ${PREFIX}_key_type ${keyType}`)
}

function dataSignature(hash: string, key: KeyObject, signature: Buffer): DataSignature {
  const isRsa = key.asymmetricKeyType?.startsWith('rsa') === true
  // any length of the salt: signers take the longest one, or that of the digest
  const padding = {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_AUTO
  }
  return {
    check() {
      const verify = createVerify(hash)
      return {
        update: (chunk) => void verify.update(chunk),
        end() {
          if (!verify.verify({ key, ...(isRsa ? padding : {}) }, signature)) {
            throw refusal('The signature of the image does not fit its data')
          }
        }
      }
    }
  }
}

/** Signatures that are verified with these certificates, of which each counts while it is valid. */
export function createSignatures(
  certificates: SigningCertificates,
  now: () => number = Date.now
): Signatures {
  return {
    demanded(image) {
      const claim = readClaim(image)
      if (claim === undefined) return undefined
      const hash = known(HASHES, claim.method, 'hash_method')
      const kind = known(KEY_KINDS, claim.keyType, 'key_type')
      const signature = readSignature(claim.signature)
      const certificate = certificates.get(claim.certificateId.toLowerCase())
      if (certificate === undefined) {
        throw refusal(`This service has no certificate with the ${PREFIX}_certificate_uuid`)
      }
      demandValid(certificate, now())
      return dataSignature(hash, keyOf(certificate, claim.keyType, kind), signature)
    }
  }
}

/** Digests whose `end` also throws INVALID_REQUEST when the data does not fit the signature. */
export function signedDigests(run: DigestRun, signature: DataSignature | undefined): DigestRun {
  if (signature === undefined) return run
  const check = signature.check()
  let isOver = false
  return {
    feed(chunk) {
      check.update(chunk)
      return run.feed(chunk)
    },
    get onDrain() {
      return run.onDrain
    },
    set onDrain(resume) {
      run.onDrain = resume
    },
    async end() {
      const digests = await run.end()
      isOver = true
      check.end()
      return digests
    },
    drop() {
      // a run that has ended has nothing to drop
      if (!isOver) run.drop()
    }
  }
}
