import type { FastifyInstance } from 'fastify'
import { refuseBody } from '../../http/bodies.ts'
import { json, operation } from '../../openapi/operation.ts'
import { METADEF_SCHEMA_DOCUMENTS } from './metadef-schema-documents.ts'
import { SCHEMA_DOCUMENTS } from './schema-documents.ts'

const describe = (name: string) =>
  operation({
    operationId: `${name.replace(/\W(\w)/, (_, letter) => letter.toUpperCase())}Schema`,
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

/** Schemas of what the API shows (R25, R26). */
export function schemaRoutes(app: FastifyInstance): void {
  for (const [name, schema] of Object.entries({
    ...SCHEMA_DOCUMENTS,
    ...METADEF_SCHEMA_DOCUMENTS
  })) {
    const body = JSON.stringify(schema)
    app.get(
      `/schemas/${name}`,
      { onRequest: refuseBody, schema: describe(name) },
      async (_request, reply) => reply.type('application/json').send(body)
    )
  }
}
