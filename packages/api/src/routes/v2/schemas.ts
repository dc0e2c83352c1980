import type { FastifyInstance } from 'fastify'
import { refuseBody } from '../../http/bodies.ts'
import { SCHEMA_DOCUMENTS } from './schema-documents.ts'

/** Schemas of what the API shows (R25). */
export function schemaRoutes(app: FastifyInstance): void {
  for (const [name, schema] of Object.entries(SCHEMA_DOCUMENTS)) {
    const body = JSON.stringify(schema)
    app.get(`/schemas/${name}`, { onRequest: refuseBody }, async (_request, reply) =>
      reply.type('application/json').send(body)
    )
  }
}
