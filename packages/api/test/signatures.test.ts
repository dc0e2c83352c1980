import { constants, createHash, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { isTankError } from '@tank/model'
import { ConfigError } from '@tank/service'
import t from 'tap'
import { createDigestPool } from '../src/ingest/digests.ts'
import { createSignatures, type DataSignature, signedDigests } from '../src/ingest/signatures.ts'
import { checkSignatures, openSigningCertificates } from '../src/ingest/signing-certificates.ts'
import { certify, type KeyPair, sign, signingKeys } from './signing-keys.ts'

const ID = '9a3c2f10-0000-4000-8000-00000000000a'
const HASHES = {
  'SHA-224': 'sha224',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512'
}
const DATA = Buffer.from('the bytes of an image')
const rsa: KeyPair = generateKeyPairSync('rsa', { modulusLength: 2048 })

function properties(signature: string, keyType = 'RSA-PSS', method = 'SHA-256') {
  return {
    img_signature: signature,
    img_signature_hash_method: method,
    img_signature_key_type: keyType,
    img_signature_certificate_uuid: ID
  }
}

function signaturesOf(pair: KeyPair) {
  return createSignatures(new Map([[ID, certify(pair)]]))
}

/** What is said against the data; undefined when it fits. */
function objection(signature: DataSignature | undefined, data: Buffer): string | undefined {
  if (signature === undefined) throw new Error('it is not verified')
  const check = signature.check()
  for (const byte of data) check.update(Uint8Array.of(byte))
  return refused(() => check.end())
}

function refused(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (isTankError(error, 'INVALID_REQUEST')) return error.message
    throw error
  }
}

t.test('SIG1: every key type with every hash method', async (t) => {
  for (const [keyType, pair] of Object.entries(signingKeys())) {
    const signatures = signaturesOf(pair)
    for (const [method, hash] of Object.entries(HASHES)) {
      const name = `${keyType}, ${method}`
      const image = properties(sign(DATA, hash, pair), keyType, method)
      t.equal(objection(signatures.demanded(image), DATA), undefined, name)
      const other = Buffer.from(DATA)
      other[0] = 0
      t.match(objection(signatures.demanded(image), other), 'does not fit', `other data, ${name}`)
      const shorter = DATA.subarray(1)
      t.match(objection(signatures.demanded(image), shorter), 'does not fit', `less data, ${name}`)
    }
  }
})

t.test('SIG1: each look at the data is its own', async (t) => {
  const signature = signaturesOf(rsa).demanded(properties(sign(DATA, 'sha256', rsa)))
  for (let look = 1; look <= 3; look++) t.equal(objection(signature, DATA), undefined)
  t.match(objection(signature, Buffer.alloc(0)), 'does not fit')
  t.equal(objection(signature, DATA), undefined)
})

t.test('SIG1: salts of any length, base64 in lines, ids in capitals', async (t) => {
  const signatures = signaturesOf(rsa)
  const short = sign(DATA, 'sha256', rsa, constants.RSA_PSS_SALTLEN_DIGEST)
  t.equal(objection(signatures.demanded(properties(short)), DATA), undefined)
  const image = {
    ...properties(short.replace(/.{76}/g, '$&\n')),
    img_signature_certificate_uuid: ID.toUpperCase()
  }
  t.equal(objection(signatures.demanded(image), DATA), undefined)
})

t.test('SIG1: without all four properties nothing is verified', async (t) => {
  const signatures = createSignatures(new Map())
  const all = properties('nonsense')
  t.match(
    refused(() => signatures.demanded(all)),
    /base64|certificate/
  )
  for (const name of Object.keys(all)) {
    t.equal(signatures.demanded({ ...all, [name]: undefined }), undefined, `no ${name}`)
  }
  t.equal(signatures.demanded({}), undefined)
})

t.test('SIG1: what cannot be verified is refused and said', async (t) => {
  const signatures = signaturesOf(rsa)
  const good = properties(sign(DATA, 'sha256', rsa))
  const cases: readonly [string, object, RegExp][] = [
    ['MD5', { img_signature_hash_method: 'MD5' }, /one of SHA-224, SHA-256, SHA-384, SHA-512$/],
    ['SHA-1', { img_signature_hash_method: 'SHA-1' }, /hash_method has to be/],
    ['method in small letters', { img_signature_hash_method: 'sha-256' }, /hash_method has to be/],
    ['key type', { img_signature_key_type: 'ED25519' }, /key_type has to be one of RSA-PSS, DSA/],
    ['key of another type', { img_signature_key_type: 'DSA' }, /not one for .* DSA/],
    ['a curve', { img_signature_key_type: 'ECC_SECP384R1' }, /not one for .* ECC_SECP384R1/],
    ['no base64', { img_signature: '§§§' }, /in base64/],
    ['empty', { img_signature: '' }, /in base64/],
    ['certificate', { img_signature_certificate_uuid: 'x' }, /no certificate/],
    ['a name of objects', { img_signature_hash_method: 'constructor' }, /hash_method has to be/]
  ]
  for (const [name, change, said] of cases) {
    const why = refused(() => signatures.demanded({ ...good, ...change }))
    t.match(why, said, name)
  }
  t.equal(objection(signatures.demanded(good), DATA), undefined)
  const garbage = properties(Buffer.from('garbage').toString('base64'))
  t.match(objection(signatures.demanded(garbage), DATA), 'does not fit')
})

t.test('SIG1: the curve of the key has to be the one that is named', async (t) => {
  const { ECC_SECP384R1: pair } = signingKeys()
  if (pair === undefined) throw new Error('no such key')
  const image = properties(sign(DATA, 'sha256', pair), 'ECC_SECP521R1')
  t.match(
    refused(() => signaturesOf(pair).demanded(image)),
    'not one for'
  )
})

t.test('SIG1: certificates count from their first to their last moment', async (t) => {
  const certificates = new Map([[ID, certify(rsa, '2030-01-01', '2031-01-01')]])
  const image = properties(sign(DATA, 'sha256', rsa))
  const at = (time: string) =>
    refused(() => createSignatures(certificates, () => Date.parse(time)).demanded(image))
  t.match(at('2029-12-31T23:59:59Z'), /not valid before Jan +1 00:00:00 2030 GMT/)
  t.equal(at('2030-01-01T00:00:00Z'), undefined)
  t.equal(at('2031-01-01T00:00:00Z'), undefined)
  t.match(at('2031-01-01T00:00:01Z'), /expired on Jan +1 00:00:00 2031 GMT/)
})

/** The published collision of Wang, Feng, Lai and Yu: two blocks, one MD5. */
const COLLISION = [
  'd131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70',
  'd131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5bd8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70'
].map((hex) => Buffer.from(hex, 'hex'))

t.test('S-14: data of the same MD5 does not fit', async (t) => {
  const [data, twin] = COLLISION
  if (data === undefined || twin === undefined) throw new Error('two blocks are needed')
  t.equal(createHash('md5').update(data).digest('hex'), '79054025255fb1a26e4bc422aef54eb4')
  t.equal(createHash('md5').update(twin).digest('hex'), '79054025255fb1a26e4bc422aef54eb4')
  for (const [method, hash] of Object.entries(HASHES)) {
    const image = properties(sign(data, hash, rsa), 'RSA-PSS', method)
    const signature = signaturesOf(rsa).demanded(image)
    t.equal(objection(signature, data), undefined, method)
    t.match(objection(signature, twin), 'does not fit', method)
  }
})

t.test('SIG1: digests of signed data come only when the signature fits', async (t) => {
  const pool = createDigestPool()
  t.teardown(() => pool.close())
  for (const size of [DATA.length, 3 << 20]) {
    const data = Buffer.alloc(size, DATA)
    const signature = signaturesOf(rsa).demanded(
      properties(sign(data, 'sha512', rsa), 'RSA-PSS', 'SHA-512')
    )
    const run = signedDigests(pool.open(['sha256']), signature)
    run.feed(data)
    t.match(await run.end(), { sha256: /^[0-9a-f]{64}$/ })
    const bad = signedDigests(pool.open(['sha256']), signature)
    bad.feed(data.subarray(1))
    t.match(await bad.end().catch((error: unknown) => error), { code: 'INVALID_REQUEST' })
    bad.drop()
  }
})

t.test('SIG1: files without a certificate end the start, all at once', async (t) => {
  const other = '9a3c2f10-0000-4000-8000-00000000000b'
  const folder = t.testdir({ 'good.pem': certify(rsa).toString(), 'bad.pem': 'hello' })
  const files = { [ID]: join(folder, 'bad.pem'), [other]: join(folder, 'missing.pem') }
  const faults: string[] = []
  checkSignatures({ certificates: files }, (pointer, why) => faults.push(`${pointer}: ${why}`))
  t.match(faults, [
    `/signatures/certificates/${ID}: '${files[ID]}' has no certificate in PEM`,
    /missing\.pem' cannot be read: ENOENT/
  ])
  t.throws(() => openSigningCertificates({ certificates: files }), ConfigError)
  const good = openSigningCertificates({
    certificates: { [ID.toUpperCase()]: join(folder, 'good.pem') }
  })
  t.same([...good.keys()], [ID])
})
