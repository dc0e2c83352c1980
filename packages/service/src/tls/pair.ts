import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { TlsConfig } from './section.ts'

type Name = 'certificateFile' | 'keyFile' | 'clientCaFile'

/** A file of the section cannot be used; the message says which one and why, and shows none of it. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError'
  readonly file: Name

  constructor(file: Name, message: string, options?: ErrorOptions) {
    super(message, options)
    this.file = file
  }
}

/** What the files held at one moment. */
export interface TlsPair {
  /** Changes when one of the files does. */
  readonly mark: string
  readonly context: SecureContextOptions
  readonly certificate: X509Certificate
}

type Texts = Readonly<Record<Name, string>>

function unreadable(config: TlsConfig, name: Name, cause: unknown): TlsFileError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new TlsFileError(name, `'${config[name]}' cannot be read: ${why}`, { cause })
}

function firstCertificate(config: TlsConfig, name: Name, text: string): X509Certificate {
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw new TlsFileError(name, `'${config[name]}' has no certificate in PEM`, { cause })
  }
}

function keyFault(config: TlsConfig, cause: unknown): TlsFileError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const why =
    code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'
      ? `does not belong to the certificate in '${config.certificateFile}'`
      : 'has no private key in PEM that can be read without a passphrase'
  return new TlsFileError('keyFile', `'${config.keyFile}' ${why}`, { cause })
}

function toPair(config: TlsConfig, texts: Texts): TlsPair {
  const certificate = firstCertificate(config, 'certificateFile', texts.certificateFile)
  const hasClientCa = config.clientCaFile !== undefined
  if (hasClientCa) firstCertificate(config, 'clientCaFile', texts.clientCaFile)
  const context: SecureContextOptions = {
    cert: texts.certificateFile,
    key: texts.keyFile,
    minVersion: config.minimumVersion,
    ...(hasClientCa ? { ca: texts.clientCaFile } : {})
  }
  try {
    createSecureContext(context)
  } catch (cause) {
    throw keyFault(config, cause)
  }
  const mark = createHash('sha256').update(JSON.stringify(texts)).digest('hex')
  return { mark, context, certificate }
}

const NAMES: readonly Name[] = ['certificateFile', 'keyFile', 'clientCaFile']

/** @throws {TlsFileError} for the first file that cannot be used */
export function readPairSync(config: TlsConfig): TlsPair {
  const read = (name: Name) => {
    const path = config[name]
    try {
      return [name, path === undefined ? '' : readFileSync(path, 'utf8')] as const
    } catch (cause) {
      throw unreadable(config, name, cause)
    }
  }
  return toPair(config, Object.fromEntries(NAMES.map(read)) as Texts)
}

/** `readPairSync` that waits for slow disks without holding up the process. */
export async function readPair(config: TlsConfig): Promise<TlsPair> {
  const read = async (name: Name) => {
    const path = config[name]
    try {
      return [name, path === undefined ? '' : await readFile(path, 'utf8')] as const
    } catch (cause) {
      throw unreadable(config, name, cause)
    }
  }
  return toPair(config, Object.fromEntries(await Promise.all(NAMES.map(read))) as Texts)
}
