import { isTankClientError, TankClientError } from '../errors.ts'
import { createImageHttp, type JsonRequest } from '../image-http.ts'
import { type Answer, openTransport } from '../transport.ts'

/** How an identity service is reached. */
export interface IdentityOptions {
  /** Longest time for one request, 30,000 unless told. */
  readonly timeoutMs?: number | undefined
  /** Further tries while the service is away, 3 unless told. */
  readonly retries?: number | undefined
  /** First pause before another try; it doubles. 200 unless told. */
  readonly retryDelayMs?: number | undefined
  /**
   * Certificates of authorities to trust beside those that come with Node, PEM. With it
   * `NODE_EXTRA_CA_CERTS` does not count.
   */
  readonly ca?: string | undefined
}

/** One exchange with an identity service. Redirects are not followed: they could take secrets along. */
export async function callIdentity(
  url: string,
  request: Omit<JsonRequest, 'repeat' | 'path'>,
  options: IdentityOptions
): Promise<Answer> {
  if (!/^https?:/i.test(url) || !URL.canParse(url)) {
    const text = `the URL of the identity service starts with http:// or https://, unlike ${url}`
    throw new TankClientError('MISCONFIGURED', text)
  }
  const { origin, pathname, search } = new URL(url)
  const transport = openTransport({ url: origin, connections: 1, ca: options.ca, light: true })
  const http = createImageHttp(transport, {
    auth: undefined,
    headers: {},
    timeoutMs: options.timeoutMs ?? 30_000,
    retries: options.retries ?? 3,
    retryDelayMs: options.retryDelayMs ?? 200
  })
  try {
    return await http.call({ ...request, path: pathname + search, repeat: 'always' })
  } catch (error) {
    if (!isTankClientError(error, 'UNAUTHENTICATED')) throw error
    const text = `the identity service refused the credentials: ${error.message}`
    throw new TankClientError('UNAUTHENTICATED', text, { status: error.status, cause: error })
  } finally {
    await transport.close()
  }
}
