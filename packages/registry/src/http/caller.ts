import {
  CLOSED_VISIBILITIES,
  type ClosedVisibility,
  isStorableText,
  type RegistryCaller,
  TankError,
  textLength
} from '@tank/model'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyRequest {
    /** On whose behalf the registry is called. */
    registryCaller: RegistryCaller
  }
}

const MAX_LENGTH = 255

function identity(request: FastifyRequest, header: string): string | null {
  const given = request.headers[header]
  if (given === undefined || given === '') return null
  let text: string
  try {
    text = decodeURIComponent(String(given))
  } catch (cause) {
    throw new TankError('INVALID_REQUEST', `The header ${header} is not percent-encoded UTF-8.`, {
      cause
    })
  }
  if (!isStorableText(text) || textLength(text) > MAX_LENGTH) {
    throw new TankError('INVALID_REQUEST', `The header ${header} is not valid.`)
  }
  return text
}

function readSees(request: FastifyRequest): ClosedVisibility[] {
  const given = request.headers['tank-sees']
  if (given === undefined || given === '') return []
  return String(given)
    .split(',')
    .map((word) => {
      const known = CLOSED_VISIBILITIES.find((visibility) => visibility === word.trim())
      if (known !== undefined) return known
      const words = CLOSED_VISIBILITIES.join(' and ')
      throw new TankError('INVALID_REQUEST', `The header tank-sees takes ${words}, with commas.`)
    })
}

function readCaller(request: FastifyRequest): RegistryCaller {
  const scope = request.headers['tank-scope'] ?? 'project'
  if (scope !== 'all' && scope !== 'project') {
    throw new TankError('INVALID_REQUEST', "The header tank-scope is neither 'all' nor 'project'.")
  }
  return {
    project: identity(request, 'tank-project'),
    user: identity(request, 'tank-user'),
    scope,
    sees: readSees(request),
    requestId: request.id
  }
}

const callerPlugin: FastifyPluginAsync = async (app) => {
  app.decorateRequest('registryCaller')
  app.addHook('onRequest', async (request) => {
    request.registryCaller = readCaller(request)
  })
}

/** Reads the caller of every request of this scope from its headers. */
export const caller: FastifyPluginAsync = fp(callerPlugin, {
  name: '@tank/registry/caller',
  fastify: '5.x'
})

/** Refuses callers that are no administrators of Tank. */
export function requireAdmin(request: FastifyRequest): void {
  if (request.registryCaller.scope !== 'all') {
    throw new TankError('FORBIDDEN', 'Only administrators may do this.')
  }
}
