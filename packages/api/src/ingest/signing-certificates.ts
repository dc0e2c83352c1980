import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from '@tank/service'

/** The part of the configuration that says whose signatures count: PEM files by certificate id. */
export interface SignatureConfig {
  readonly certificates: Readonly<Record<string, string>>
}

export type SigningCertificates = ReadonlyMap<string, X509Certificate>
type Report = (pointer: string, message: string) => void

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`'${file}' cannot be read: ${why}`, { cause })
  }
}

function readCertificate(file: string): X509Certificate {
  const text = readText(file)
  try {
    return new X509Certificate(text)
  } catch (cause) {
    throw new Error(`'${file}' has no certificate in PEM`, { cause })
  }
}

function readCertificates(config: SignatureConfig, report: Report): SigningCertificates {
  const found = new Map<string, X509Certificate>()
  for (const [id, file] of Object.entries(config.certificates)) {
    try {
      found.set(id.toLowerCase(), readCertificate(file))
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      report(`/signatures/certificates/${id}`, message)
    }
  }
  return found
}

/** Reports every certificate that cannot be used, below the pointer of the section. */
export function checkSignatures(config: SignatureConfig, report: Report): void {
  readCertificates(config, report)
}

/**
 * Reads the certificates that images may be signed with, the first one of each file.
 *
 * @throws {ConfigError} with every file that is missing or has no certificate
 */
export function openSigningCertificates(config: SignatureConfig): SigningCertificates {
  const faults: string[] = []
  const found = readCertificates(config, (pointer, why) => faults.push(`${pointer}: ${why}`))
  if (faults.length > 0) throw new ConfigError(faults)
  return found
}
