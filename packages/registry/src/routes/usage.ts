import { TankError } from '@tank/model'
import { Type } from 'typebox'
import { UsageSchema } from '../schemas.ts'
import { getUsage } from '../usage.ts'
import type { RoutePlugin } from './route.ts'

export const usageRoute: RoutePlugin = async (app, { database, settings }) => {
  app.get(
    '/usage/:project',
    {
      schema: {
        summary: 'What a project uses, and may use',
        tags: ['usage'],
        params: Type.Object({ project: Type.String() }),
        response: { 200: UsageSchema }
      }
    },
    (request) => {
      const { scope, project } = request.registryCaller
      if (scope !== 'all' && project !== request.params.project) {
        throw new TankError('FORBIDDEN', 'This is the usage of another project.')
      }
      return getUsage(database, request.params.project, settings.quotas)
    }
  )
}
