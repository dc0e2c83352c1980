import { isStorableText, LIMITS, TankError, textLength } from '@tank/model'
import type { FastifyInstance } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { registryCaller } from '../../identity/caller.ts'
import { checkCount } from '../../images/attributes.ts'
import { nothing, operation } from '../../openapi/operation.ts'
import { tagParams } from '../../openapi/parameters.ts'

const addSchema = operation({
  operationId: 'addTag',
  summary: 'Add a tag to an image',
  tag: 'images',
  params: tagParams,
  answers: { 204: nothing('The image has the tag') },
  errors: [403, 404, 409, 413, 415]
})

const removeSchema = operation({
  operationId: 'removeTag',
  summary: 'Remove a tag from an image',
  tag: 'images',
  params: tagParams,
  answers: { 204: nothing('The image does not have the tag any more') },
  errors: [403, 404, 409, 413, 415]
})

interface TagParams {
  readonly id: string
  readonly tag: string
}

/** Add and remove one tag (R12). */
export function tagRoutes(app: FastifyInstance, context: ApiContext): void {
  const { policy } = context
  app.put<{ Params: TagParams }>(
    '/images/:id/tags/:tag',
    { onRequest: refuseBody, schema: addSchema },
    async (request, reply) => {
      const { id, tag } = request.params
      if (textLength(tag) > LIMITS.tagLength || !isStorableText(tag)) {
        throw new TankError('INVALID_REQUEST', `A tag has at most ${LIMITS.tagLength} characters`)
      }
      await context.images.update(registryCaller(request), id, (image) => {
        policy.demand(request.caller, 'modify_image', image)
        if (image.tags.includes(tag)) return undefined
        checkCount('tags', image.tags.length + 1, context.config.limits.tags)
        return { tags: [...image.tags, tag] }
      })
      return reply.code(204).send()
    }
  )

  app.delete<{ Params: TagParams }>(
    '/images/:id/tags/:tag',
    { onRequest: refuseBody, schema: removeSchema },
    async (request, reply) => {
      const { id, tag } = request.params
      await context.images.update(registryCaller(request), id, (image) => {
        policy.demand(request.caller, 'modify_image', image)
        if (!image.tags.includes(tag))
          throw new TankError('TAG_NOT_FOUND', 'The image does not have this tag.')
        return { tags: image.tags.filter((other) => other !== tag) }
      })
      return reply.code(204).send()
    }
  )
}
