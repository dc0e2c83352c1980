import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type Caller, roleSet } from './caller.ts'
import { findCallers } from './find-callers.ts'

const EVERYONE: Caller = Object.freeze({
  user: null,
  project: null,
  domain: null,
  roles: roleSet(['admin']),
  serviceRoles: roleSet([]),
  readOnly: false
})

const plugin: FastifyPluginAsync = async (app) => {
  findCallers(app, () => EVERYONE)
}

/** Identity mode `none`: every caller is an administrator without a project (A4). */
export const noIdentity: FastifyPluginAsync = fp(plugin, { name: 'tank-identity', fastify: '5.x' })
