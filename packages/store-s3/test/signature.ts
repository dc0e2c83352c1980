// Checks AWS's signatures (version 4), as a server does.
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface Account {
  readonly accessKey: string
  readonly secretKey: string
}

const SKEW_MS = 15 * 60_000

/** The error code with which a request is refused; undefined when its signature is right. */
export function refusal(
  request: IncomingMessage,
  body: Buffer,
  { accessKey, secretKey }: Account,
  now = Date.now()
): string | undefined {
  const url = new URL(request.url ?? '', 'http://fake')
  const claim = inQuery(url) ?? inHeader(request)
  if (claim === undefined) return 'AccessDenied'
  if (claim.accessKey !== accessKey) return 'InvalidAccessKeyId'
  const age = now - claim.time
  if (claim.seconds === undefined) {
    if (Math.abs(age) > SKEW_MS) return 'RequestTimeTooSkewed'
  } else if (age > claim.seconds * 1000) return 'AccessDenied'
  const headers = claim.signed.map(
    (name) => `${name}:${String(request.headers[name] ?? '').trim()}`
  )
  const digest = request.headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD'
  const canonical = [
    request.method,
    url.pathname,
    canonicalQuery(url),
    `${headers.join('\n')}\n`,
    claim.signed.join(';'),
    digest
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', claim.stamp, claim.scope, sha256(canonical)].join('\n')
  let key: string | Buffer = `AWS4${secretKey}`
  for (const part of claim.scope.split('/')) key = hmac(key, part)
  if (hmac(key, text).toString('hex') !== claim.signature) return 'SignatureDoesNotMatch'
  const isDigest = /^[0-9a-f]{64}$/.test(String(digest))
  if (isDigest && digest !== sha256(body)) return 'XAmzContentSHA256Mismatch'
  return isDigest || digest === 'UNSIGNED-PAYLOAD' ? undefined : 'NotImplemented'
}

interface Claim {
  readonly accessKey: string
  readonly scope: string
  readonly stamp: string
  readonly time: number
  readonly seconds: number | undefined
  readonly signed: readonly string[]
  readonly signature: string
}

function inQuery({ searchParams }: URL): Claim | undefined {
  const get = (name: string) => searchParams.get(`X-Amz-${name}`) ?? ''
  if (get('Signature') === '') return undefined
  return claim(
    get('Credential'),
    get('SignedHeaders'),
    get('Signature'),
    get('Date'),
    get('Expires')
  )
}

function inHeader({ headers }: IncomingMessage): Claim | undefined {
  const match = /Credential=(.*?), ?SignedHeaders=(.*?), ?Signature=(.*)$/.exec(
    headers.authorization ?? ''
  )
  if (match === null) return undefined
  const [, credential = '', signed = '', signature = ''] = match
  return claim(credential, signed, signature, String(headers['x-amz-date']), undefined)
}

function claim(
  credential: string,
  signed: string,
  signature: string,
  stamp: string,
  expires: string | undefined
): Claim {
  const [accessKey = '', ...scope] = credential.split('/')
  const [, y, mo, d, h, mi, s] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(stamp) ?? []
  return {
    accessKey,
    scope: scope.join('/'),
    stamp,
    time: Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`),
    seconds: expires === undefined ? undefined : Number(expires),
    signed: signed.split(';'),
    signature
  }
}

function canonicalQuery({ search }: URL): string {
  return search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !pair.startsWith('X-Amz-Signature='))
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&')
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
