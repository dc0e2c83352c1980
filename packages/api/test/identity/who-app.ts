import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger, createServer } from '@tank/service'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { v2ErrorHandler } from '../../src/http/v2-errors.ts'

/** A clock that tests move. */
export class Clock {
  ms = Date.now()
  readonly now = (): number => this.ms
  pass(seconds: number): void {
    this.ms += seconds * 1000
  }
}

interface Who {
  readonly status: number
  readonly headers: Record<string, unknown>
  // biome-ignore lint/suspicious/noExplicitAny: a caller or an error
  readonly body: any
}

export interface WhoApp {
  /** What the identity mode makes of a request with these headers. */
  ask(headers?: Record<string, string>): Promise<Who>
  /** The same, with a token in X-Auth-Token. */
  askWith(token: string): Promise<Who>
  /** All lines of the log, debug included. */
  readonly log: string[]
}

/** An app that answers with `request.caller`, or with the error of the Image API v2. */
export async function openWhoApp(
  t: Test,
  identity: (app: FastifyInstance) => PromiseLike<unknown>
): Promise<WhoApp> {
  const log: string[] = []
  const logger = createLogger({ level: 'debug' }, { write: (line) => log.push(line) })
  const app = createServer({ logger })
  t.teardown(() => app.close())
  app.setErrorHandler(v2ErrorHandler)
  await identity(app)
  app.get('/who', async ({ caller }) => ({
    ...caller,
    roles: [...caller.roles].sort(),
    serviceRoles: [...caller.serviceRoles].sort()
  }))
  await app.ready()
  const ask: WhoApp['ask'] = async (headers = {}) => {
    const answer = await app.inject({ url: '/who', headers })
    return { status: answer.statusCode, headers: answer.headers, body: answer.json() }
  }
  return { ask, askWith: (token) => ask({ 'x-auth-token': token }), log }
}

/** Asks again and again until the answer is not undefined. */
export async function until<T>(
  what: string,
  ms: number,
  ask: () => Promise<T | undefined>
): Promise<T> {
  const end = Date.now() + ms
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await sleep(10)
  }
}
