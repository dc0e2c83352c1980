import type { FastifyInstance } from 'fastify'
import { refuseBody } from '../../http/bodies.ts'
import { json, operation } from '../../openapi/operation.ts'
import { SCHEMA_DOCUMENTS } from './schema-documents.ts'

const describe = (name: string) =>
  operation({
    operationId: `${name}Schema`,
    summary: `Schema of \`${name}\``,
    tag: 'schemas',
    answers: {
      200: json(
        {
          type: 'object',
          required: ['name', 'properties'],
          properties: { name: { type: 'string' }, properties: { type: 'object' } }
        },
        'A JSON schema'
      )
    }
  })

/** Schemas of what the API shows (R25). */
export function schemaRoutes(app: FastifyInstance): void {
  for (const [name, schema] of Object.entries(SCHEMA_DOCUMENTS)) {
    const body = JSON.stringify(schema)
    app.get(
      `/schemas/${name}`,
      { onRequest: refuseBody, schema: describe(name) },
      async (_request, reply) => reply.type('application/json').send(body)
    )
  }
}
