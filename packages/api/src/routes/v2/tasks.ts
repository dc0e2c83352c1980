import { randomUUID } from 'node:crypto'
import { TankError, type TaskDocument } from '@tank/model'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { parseJsonObject } from '../../http/json.ts'
import { queryOf } from '../../http/query.ts'
import { linkBase } from '../../http/version-document.ts'
import { registryCaller } from '../../identity/caller.ts'
import { newImage } from '../../images/new-image.ts'
import { takeBack } from '../../images/remove-image.ts'
import { offeredMethods } from '../../imports/import-methods.ts'
import { readTaskInput } from '../../imports/task-input.ts'
import { webDownload } from '../../imports/web-download.ts'
import { pageOf, refTo } from '../../openapi/components.ts'
import { json, operation } from '../../openapi/operation.ts'
import { taskListQuery, taskParams } from '../../openapi/parameters.ts'
import { pageLinks } from './page-links.ts'

const METHOD = 'web-download'

const listSchema = operation({
  operationId: 'listAllTasks',
  summary: 'List background work on all images',
  tag: 'imports',
  querystring: taskListQuery,
  answers: {
    200: json(pageOf('tasks', 'TaskRow'), 'A page of tasks')
  },
  errors: [403]
})

const createSchema = operation({
  operationId: 'createTask',
  summary: 'Create an image and import it from a URL',
  description: 'The older way; newer clients create an image and import into it.',
  tag: 'imports',
  body: { 'application/json': refTo('NewTask') },
  answers: {
    201: json('TaskDetail', 'The task', {
      location: { type: 'string', description: 'Address of the task' }
    })
  },
  errors: [403, 409, 413]
})

const showSchema = operation({
  operationId: 'showTask',
  summary: 'Show a task',
  tag: 'imports',
  params: taskParams,
  answers: { 200: json('TaskDetail', 'The task') },
  errors: [403, 404]
})

/** A time with whole seconds. */
const whole = (time: string) => `${time.slice(0, 19)}Z`

function taskRow(task: TaskDocument) {
  const { input: _input, message: _message, ...row } = task
  return {
    ...row,
    expires_at: task.expires_at === null ? null : whole(task.expires_at),
    created_at: whole(task.created_at),
    updated_at: whole(task.updated_at),
    self: `/v2/tasks/${task.id}`,
    schema: '/v2/schemas/task'
  }
}

function wholeTask(task: TaskDocument) {
  const { input, message, status, image_id } = task
  const result = status === 'success' ? { image_id } : null
  return { ...taskRow(task), input, result, message }
}

/** Makes an image and asks for the download into it; returns the id of the task. */
async function importImage(context: ApiContext, request: FastifyRequest): Promise<string> {
  const { registry, stores, config, policy, protections } = context
  const { uri, image: fields, input } = readTaskInput(parseJsonObject(request.body))
  if (!offeredMethods(config.imports.methods, stores).includes(METHOD)) {
    throw new TankError('INVALID_REQUEST', 'This service does not download images')
  }
  const image = newImage(fields, request.caller, { limits: config.limits, policy, protections })
  const { owner = null, visibility = 'shared' } = image
  policy.demand(request.caller, webDownload.action, { owner, visibility })
  const plan = webDownload.plan({
    stores,
    image,
    request: {
      method: { name: METHOD, uri },
      stores: undefined,
      allStores: false,
      allMustSucceed: true,
      body: input
    },
    header: undefined
  })
  if (plan === undefined) throw new TankError('IMAGE_STATE', 'There is nothing to import')
  const caller = registryCaller(request)
  const id = randomUUID()
  await registry.createImage(caller, image)
  try {
    const { from } = webDownload
    await registry.enqueue(caller, { ...plan, id, image_id: image.id, from, input })
  } catch (error) {
    await takeBack(context, request, image.id)
    throw error
  }
  context.workAsked()
  return id
}

/** Background work of all images, and the older way to import one (R19, R20). */
export function taskRoutes(app: FastifyInstance, context: ApiContext): void {
  const { registry, policy } = context

  app.get('/tasks', { schema: listSchema }, async (request) => {
    policy.demand(request.caller, 'tasks_api_access')
    const query = queryOf(request.originalUrl)
    const { tasks, next } = await registry.listTasks(registryCaller(request), query)
    return { tasks: tasks.map(taskRow), ...pageLinks('tasks', query, next ?? undefined) }
  })

  app.post('/tasks', { schema: createSchema }, async (request, reply) => {
    policy.demand(request.caller, 'tasks_api_access')
    const id = await importImage(context, request)
    const base = linkBase(request, context.publicEndpoint)
    reply.code(201).header('location', `${base}/v2/tasks/${id}`)
    return wholeTask(await registry.getTask(registryCaller(request), id))
  })

  app.get<{ Params: { readonly id: string } }>(
    '/tasks/:id',
    { schema: showSchema },
    async (request) => {
      policy.demand(request.caller, 'tasks_api_access')
      return wholeTask(await registry.getTask(registryCaller(request), request.params.id))
    }
  )
}
