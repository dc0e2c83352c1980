import { Type } from 'typebox'
import { TaskSchema } from '../background-schemas.ts'
import { rawQuery } from '../list/query-string.ts'
import { listTasks, showTask } from '../operations/tasks.ts'
import { nullable, Uuid } from '../schemas.ts'
import { OperationParams, parameter, type RoutePlugin } from './route.ts'

const tags = ['operations']

const Query = Type.Object(
  {
    limit: parameter('Tasks a page'),
    marker: parameter('Id of the last task of the page before'),
    sort_key: parameter('`created_at`, `updated_at`, `expires_at`, `id`, `status` or `type`'),
    sort_dir: parameter('`asc` or `desc`'),
    status: parameter('`pending`, `processing`, `success` or `failure`'),
    type: parameter('`import`')
  },
  { additionalProperties: true }
)

/** Background work as people see it, whatever image it is about. */
export const taskRoutes: RoutePlugin = async (app, { database, settings }) => {
  const { tasksKeptMs: keptMs, pageSize } = settings
  app.get(
    '/tasks',
    {
      schema: {
        summary: 'Tasks, the newest first',
        description:
          'Of the own project; administrators see all. `next` is the marker of the next page.',
        tags,
        querystring: Query,
        response: { 200: Type.Object({ tasks: Type.Array(TaskSchema), next: nullable(Uuid) }) }
      }
    },
    ({ raw, registryCaller }) =>
      listTasks(database, registryCaller, rawQuery(raw.url ?? ''), { keptMs, pageSize })
  )
  app.get(
    '/tasks/:id',
    {
      schema: {
        summary: 'Show a task',
        tags,
        params: OperationParams,
        response: { 200: TaskSchema }
      }
    },
    ({ params, registryCaller }) => showTask(database, registryCaller, params.id, keptMs)
  )
}
