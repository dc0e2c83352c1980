import { S3Client } from '@aws-sdk/client-s3'
import type { Settings } from './options.ts'
import type { Transport } from './transport.ts'

/** The SDK's client, which signs and speaks XML. Sending and trying again are our own. */
export function createClient(settings: Settings, transport: Transport): S3Client {
  const { region, endpoint, forcePathStyle, credentials } = settings
  return withoutVersionWarning(
    () =>
      new S3Client({
        ...(region !== undefined && { region }),
        ...(endpoint !== undefined && { endpoint }),
        ...(credentials !== undefined && { credentials }),
        forcePathStyle,
        requestHandler: transport,
        maxAttempts: 1,
        // Otherwise bodies come framed and with trailers, which older servers store as data.
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
        // A round trip and a new connection for each part.
        expectContinueHeader: false
      })
  )
}

const SWITCH = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'

/** The SDK announces, once a process, which Node its future versions want. Its users choose those. */
function withoutVersionWarning<T>(make: () => T): T {
  if (process.env[SWITCH] !== undefined) return make()
  process.env[SWITCH] = 'true'
  try {
    return make()
  } finally {
    delete process.env[SWITCH]
  }
}
