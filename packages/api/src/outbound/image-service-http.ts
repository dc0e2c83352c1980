import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { request } from 'undici'
import { type AgentOptions, openAgent } from './open-agent.ts'

export interface ServiceAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Has to be read to its end or destroyed. */
  readonly body: Readable
}

interface ServiceRequest {
  readonly url: string
  /** Undefined: it is asked without one. */
  readonly token: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** Reads from an image service that the configuration, or the catalogue that it names, has. */
export interface ImageServiceHttp {
  /** Settles with the head of the answer, whatever its status; a redirect is not followed. */
  ask(wanted: ServiceRequest): Promise<ServiceAnswer>
  close(): Promise<void>
}

/** Opens the connections of one service. */
export async function openImageServiceHttp(options: AgentOptions): Promise<ImageServiceHttp> {
  const dispatcher = await openAgent(options)
  return {
    async ask({ url, token, headers = {}, signal }) {
      const answer = await request(url, {
        dispatcher,
        method: 'GET',
        headers: {
          // what comes is counted and hashed as it is
          'accept-encoding': 'identity',
          ...(token === undefined ? {} : { 'x-auth-token': token }),
          ...headers
        },
        signal
      })
      // one that is destroyed fails, too; whoever reads it hears of it all the same
      answer.body.on('error', () => {})
      return { status: answer.statusCode, headers: answer.headers, body: answer.body }
    },
    close: () => dispatcher.destroy()
  }
}
