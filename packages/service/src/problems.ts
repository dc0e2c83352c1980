import type { Problem, TankError } from '@tank/model'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { notFoundError } from './known-paths.ts'
import { problemStatus, problemTitle } from './problem-codes.ts'
import { toTankError } from './to-tank-error.ts'

/** The RFC 9457 body of an error. An INTERNAL error never shows a message from below. */
export function problemBody(error: TankError, requestId: string): Problem {
  return {
    type: `urn:tank:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: problemTitle(error.code),
    status: problemStatus(error.code),
    detail: error.code === 'INTERNAL' ? 'internal error' : error.message,
    code: error.code,
    requestId
  }
}

/** Logs an error as its status deserves: 5xx as errors with all causes, others at debug. */
export function logError(request: FastifyRequest, thrown: unknown, error: TankError): void {
  if (problemStatus(error.code) >= 500) request.log.error({ err: thrown }, 'request failed')
  else request.log.debug({ err: thrown }, 'request refused')
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const tankError = toTankError(error)
  logError(request, error, tankError)
  reply
    .code(problemStatus(tankError.code))
    .headers({ 'cache-control': 'no-store', ...tankError.headers })
    .type('application/problem+json')
    // as bytes: to text the framework would add a charset, which this type does not have
    .send(Buffer.from(JSON.stringify(problemBody(tankError, request.id))))
}

const problemsPlugin: FastifyPluginAsync = async (app) => {
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler((request, reply) =>
    sendProblem(notFoundError(app, request.method, request.url), request, reply)
  )
}

/** Answers errors and unknown routes of its scope as `application/problem+json`. */
export const problems: FastifyPluginAsync = fp(problemsPlugin, {
  name: '@tank/service/problems',
  fastify: '5.x'
})
