import { type Agent, request } from 'undici'
import { type AgentOptions, openAgent } from '../outbound/open-agent.ts'
import { identityUnavailable } from './credentials.ts'

interface IdentityRequest {
  readonly method?: 'GET' | 'POST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface IdentityAnswer {
  readonly status: number
  header(name: string): string | undefined
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown
}

/** Small exchanges with the identity service that the configuration names. */
export interface IdentityHttp {
  /** @throws {TankError} IDENTITY_UNAVAILABLE when there is no answer in time, or a huge one */
  call(request: IdentityRequest): Promise<IdentityAnswer>
  close(): Promise<void>
}

const LARGEST_ANSWER = 1024 * 1024
/** Opens the connections; `timeoutMs` is for a whole exchange, too. */
export async function openIdentityHttp(
  options: Omit<AgentOptions, 'maxResponseSize'>
): Promise<IdentityHttp> {
  const { timeoutMs } = options
  const agent = await openAgent({ ...options, maxResponseSize: LARGEST_ANSWER })
  return {
    async call(wanted) {
      const signal = AbortSignal.timeout(timeoutMs)
      try {
        return await exchange(agent, wanted, signal).catch((error: unknown) => {
          // the server may have closed an idle connection just when it was used again
          if (!isClosed(error)) throw error
          return exchange(agent, wanted, signal)
        })
      } catch (error) {
        throw identityUnavailable(`no answer from ${new URL(wanted.url).host}`, error)
      }
    },
    close: () => agent.destroy()
  }
}

function isClosed(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

async function exchange(
  dispatcher: Agent,
  { method = 'GET', url, headers = {}, body }: IdentityRequest,
  signal: AbortSignal
): Promise<IdentityAnswer> {
  const answer = await request(url, {
    dispatcher,
    method,
    headers: { accept: 'application/json', ...headers },
    body: body ?? null,
    signal
  })
  const text = await answer.body.text()
  return {
    status: answer.statusCode,
    header(name) {
      const value = answer.headers[name]
      return typeof value === 'string' ? value : undefined
    },
    json: parse(text)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
