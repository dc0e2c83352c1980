import multipart from '@fastify/multipart'
import { logError, notFoundError, problemStatus, toTankError } from '@tank/service'
import type { FastifyPluginAsync } from 'fastify'
import type { ApiContext } from '../../context.ts'
import { onlyDescribe } from '../../openapi/operation.ts'
import { FORM_LIMITS } from './form.ts'
import { failedPage, PAGE_POLICY } from './pages.ts'
import { formRoutes } from './upload.ts'
import { wantsPage } from './wants-page.ts'

/** Pages for people with a browser: plain HTML, without scripts. */
export function uiRoutes(context: ApiContext): FastifyPluginAsync {
  return async (app) => {
    onlyDescribe(app)
    app.addHook('onSend', async (_request, reply) => {
      reply.headers({
        'cache-control': 'no-store',
        'content-security-policy': PAGE_POLICY,
        // with less than this, browsers would not say where a form comes from
        'referrer-policy': 'same-origin',
        'x-content-type-options': 'nosniff'
      })
    })
    app.setErrorHandler((thrown, request, reply) => {
      if (!wantsPage(request)) throw thrown
      const error = toTankError(thrown)
      logError(request, thrown, error)
      const message = error.code === 'INTERNAL' ? 'Internal error' : error.message
      return reply
        .code(problemStatus(error.code))
        .headers(error.headers ?? {})
        .type('text/html; charset=utf-8')
        .send(failedPage(message))
    })
    app.setNotFoundHandler((request) => {
      throw notFoundError(app, request.method, request.url)
    })
    app.removeAllContentTypeParsers()
    await app.register(multipart, { limits: { ...FORM_LIMITS }, throwFileSizeLimit: false })
    formRoutes(app, context)
  }
}
