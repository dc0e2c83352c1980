import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route reads its body itself and says "continue" (`sendContinue`) when it starts to. */
    lateContinue?: boolean
    /** The route holds its body against a rate of its own. */
    ownRate?: boolean
  }
}

const BODY_HEADERS = ['content-type', 'content-length', 'transfer-encoding']
const waiting = new WeakMap<IncomingMessage, ServerResponse>()

/** Hands requests with `Expect: 100-continue` to the app without telling the client to go on. */
export function holdContinue(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.set(request, response)
    server.emit('request', request, response)
  })
}

/** Tells a client that waits with its body to send it. Does nothing for every other client. */
export function sendContinue(request: FastifyRequest): void {
  const response = waiting.get(request.raw)
  if (response === undefined) return
  waiting.delete(request.raw)
  if (!response.headersSent) response.writeContinue()
}

/** `sendContinue` for code that holds the reply. */
export function continueIfExpected(reply: FastifyReply): void {
  sendContinue(reply.request)
}

/** Whether the client still waits to be told to send its body. */
export function isWaitingForContinue(request: FastifyRequest): boolean {
  return waiting.has(request.raw)
}

export function installContinue(app: FastifyInstance): void {
  app.addHook('preParsing', async (request, _reply, payload) => {
    if (request.is404) {
      // the framework would read a body, and refuse its media type, before it says 404
      for (const name of BODY_HEADERS) delete request.headers[name]
      return payload
    }
    if (request.routeOptions.config.lateContinue !== true) sendContinue(request)
    return payload
  })
  app.addHook('onSend', async (request, reply, payload) => {
    // a refused body is never sent, so what follows on the connection could be misread
    if (isWaitingForContinue(request)) reply.header('connection', 'close')
    return payload
  })
}
