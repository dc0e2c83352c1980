import { randomUUID } from 'node:crypto'
import { type ImageDocument, TankError, type TaskDocument } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { refuseBody } from '../../http/bodies.ts'
import { parseJsonObject } from '../../http/json.ts'
import { registryCaller } from '../../identity/caller.ts'
import { credentialOf } from '../../identity/credentials.ts'
import { parseDocument } from '../../images/mutate.ts'
import type { Found, ImportMethod } from '../../imports/import-method.ts'
import { IMPORT_METHODS, offeredMethods } from '../../imports/import-methods.ts'
import { type ImportRequest, readImport } from '../../imports/import-request.ts'
import { listOf, refTo } from '../../openapi/components.ts'
import { json, nothing, operation } from '../../openapi/operation.ts'
import { imageParams, importHeaders } from '../../openapi/parameters.ts'
import type { ImageParams } from './images.ts'

const importSchema = operation({
  operationId: 'importImage',
  summary: 'Import data into an image',
  description: 'The work goes on after the answer; the tasks of the image tell what becomes of it.',
  tag: 'imports',
  params: imageParams,
  headers: importHeaders,
  body: { 'application/json': refTo('ImportRequest') },
  answers: { 202: nothing('The import is accepted') },
  errors: [403, 404, 409, 410, 413, 415, 503]
})

const tasksSchema = operation({
  operationId: 'listTasks',
  summary: 'List the background work on an image',
  tag: 'imports',
  params: imageParams,
  answers: { 200: json(listOf('tasks', 'Task'), 'Work that goes on, or ended not long ago') },
  errors: [403, 404]
})

/** Times of this one answer have no zone (R11). */
const bare = (time: string | null): string | null => time?.replace(/Z$/, '') ?? null

function shownTask(task: TaskDocument) {
  return {
    ...task,
    result: null,
    expires_at: bare(task.expires_at),
    created_at: bare(task.created_at),
    updated_at: bare(task.updated_at),
    deleted: false,
    deleted_at: null
  }
}

function demandRoom(image: ImageDocument, name: string, { from }: ImportMethod): void {
  if (!from.includes(image.status)) {
    throw new TankError(
      'IMAGE_STATE',
      `The image is ${image.status}; ${name} needs it to be ${from.join(' or ')}.`
    )
  }
  if (image.container_format === null || image.disk_format === null) {
    throw new TankError('IMAGE_STATE', 'Set disk_format and container_format of the image first')
  }
}

type Request = FastifyRequest<{ Params: ImageParams }>

/** What there is to import elsewhere, where the method looks for it. */
async function lookElsewhere(
  { config, remotes, policy, protections }: ApiContext,
  request: Request,
  method: ImportMethod,
  wanted: ImportRequest
): Promise<Found | undefined> {
  const { imports, limits, identity, imageSizeCap: cap } = config
  return method.look?.({
    remotes,
    request: wanted,
    caller: request.caller,
    // tokens of other issuers mean nothing to other services
    token: identity.mode === 'keystone' ? credentialOf(request) : undefined,
    rules: { limits, policy, protections },
    prefixes: imports.glanceDownload.properties,
    cap
  })
}

async function askForImport(context: ApiContext, request: Request): Promise<void> {
  const { registry, stores, config, policy, images } = context
  const offered = offeredMethods(config.imports.methods, stores)
  const wanted = readImport(parseJsonObject(request.body), offered)
  const method = IMPORT_METHODS.get(wanted.method.name)
  if (method === undefined) throw new TankError('INVALID_REQUEST', 'Unknown import method')
  const caller = registryCaller(request)
  const image = parseDocument(await registry.getImage(caller, request.params.id))
  demandRoom(image, wanted.method.name, method)
  method.check?.(wanted)
  policy.demand(request.caller, method.action, image)
  const named = request.headers['x-image-meta-store']
  const header = typeof named === 'string' && named !== '' ? named : undefined
  const plan = method.plan({ stores, image, request: wanted, header })
  if (plan === undefined) return
  const operation = { ...plan, id: randomUUID(), image_id: image.id, from: method.from }
  const found = await lookElsewhere(context, request, method, wanted)
  if (found === undefined) await registry.enqueue(caller, operation)
  else if ('failure' in found) {
    const { failure } = found
    request.log.warn({ err: failure, imageId: image.id }, 'an import cannot be done')
    const { outside: _, ...without } = operation
    await registry.enqueue(caller, { ...without, failure: failure.message })
  } else {
    await images.write(caller, image.id, (raw) => {
      const present = parseDocument(raw)
      // another import may have begun while we looked elsewhere
      demandRoom(present, wanted.method.name, method)
      const change = { version: raw.version, fields: found.change(present) }
      return registry.enqueue(caller, { ...operation, change })
    })
  }
  context.workAsked()
}

/** Import into an image, and what became of it (R10, R11). */
export function importRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, policy } = context

  app.post<{ Params: ImageParams }>(
    '/images/:id/import',
    { schema: importSchema },
    async (request, reply) => {
      await askForImport(context, request)
      return reply.code(202).send()
    }
  )

  app.get<{ Params: ImageParams }>(
    '/images/:id/tasks',
    { onRequest: refuseBody, schema: tasksSchema },
    async (request) => {
      const tasks = await registry.listImageTasks(registryCaller(request), request.params.id)
      policy.demand(request.caller, 'get_image')
      return { tasks: tasks.map(shownTask) }
    }
  )
}
