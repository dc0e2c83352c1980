import type { RawDocument } from '@tank/client'
import { TankError } from '@tank/model'
import { bodyRateGuard } from '@tank/service'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { untilAborted } from '../../background/until-aborted.ts'
import type { ApiContext } from '../../context.ts'
import { linkBase } from '../../http/version-document.ts'
import { registryCaller } from '../../identity/caller.ts'
import { parseDocument } from '../../images/mutate.ts'
import { newImage } from '../../images/new-image.ts'
import { takeBack } from '../../images/remove-image.ts'
import { shownTo } from '../../images/shown-properties.ts'
import { UPLOAD } from '../../ingest/ingest.ts'
import { SenderGone } from '../../ingest/intake.ts'
import { refTo } from '../../openapi/components.ts'
import { oneOf, operation } from '../../openapi/operation.ts'
import { takeBody, targetStore } from '../v2/upload.ts'
import { dropForm, openForm, type UploadForm } from './form.ts'
import { imageOfForm } from './form-image.ts'
import { donePage, formPage } from './pages.ts'
import { wantsPage } from './wants-page.ts'

const text = (description: string) => ({ type: 'string', description })

const schema = operation({
  operationId: 'uploadForm',
  summary: 'Upload an image with a form',
  description:
    'Makes an image of the fields and of the file, which comes last. When anything is wrong with the form, to its very end, there is no image. Answers with a page, or in JSON when `Accept` asks for that first.',
  tag: 'data',
  body: {
    'multipart/form-data': {
      type: 'object',
      required: ['disk_format', 'container_format', 'file'],
      additionalProperties: false,
      properties: {
        token: text('Where callers need one, instead of a header'),
        name: text('As of the image'),
        disk_format: text('As of the image'),
        container_format: text('As of the image'),
        visibility: text('As of the image'),
        min_disk: text('As of the image'),
        min_ram: text('As of the image'),
        tags: text('With commas between them'),
        properties: text('`NAME=VALUE`, one a line'),
        file: { ...text('The bytes of the image'), format: 'binary' }
      }
    }
  },
  answers: {
    201: oneOf({ 'application/json': refTo('Image'), 'text/html': { type: 'string' } }, 'The image')
  },
  errors: [403, 409, 410, 413, 415],
  problems: true
})

/** Finds out who sent a form: by its token, or else as for any other request. */
async function identify(
  app: FastifyInstance,
  request: FastifyRequest,
  token: string | undefined
): Promise<void> {
  const { headers } = request
  const own = headers['x-auth-token']
  if (token !== undefined) headers['x-auth-token'] = token
  try {
    request.caller = await app.identify(request)
  } finally {
    if (own === undefined) delete headers['x-auth-token']
    else headers['x-auth-token'] = own
  }
}

/** A form up to its file, from a sender that is not too slow. */
async function openInTime(context: ApiContext, request: FastifyRequest): Promise<UploadForm> {
  const { minimumRate } = context.config.transfers
  const guard = bodyRateGuard(request, { bytesPerSecond: minimumRate })
  try {
    return await untilAborted(guard.signal, openForm(request))
  } finally {
    guard.stop()
  }
}

async function takeForm(
  context: ApiContext,
  request: FastifyRequest,
  form: UploadForm
): Promise<RawDocument> {
  const { policy, protections, config, registry } = context
  const { caller } = request
  const rules = { limits: config.limits, policy, protections }
  const image = newImage(imageOfForm(form.fields), caller, rules)
  const { owner = null, visibility = 'shared' } = image
  policy.demand(caller, 'upload_image', { owner, visibility })
  const { name, store } = targetStore(context)
  const raw = await registry.createImage(registryCaller(request), image)
  try {
    const declared = parseDocument(raw)
    const target = {
      imageId: image.id,
      storeName: name,
      store,
      weight: context.stores.entry(name)?.weight,
      declared,
      signature: context.signatures.demanded(declared),
      kind: UPLOAD,
      announced: undefined
    }
    return await takeBody(context, request, target, form.file)
  } catch (error) {
    await takeBack(context, request, image.id)
    const isOfForm = error instanceof TankError && error.cause instanceof SenderGone
    throw isOfForm ? (form.fault() ?? error) : error
  }
}

/** Upload from a browser, without a script (S-29). */
export function formRoutes(app: FastifyInstance, context: ApiContext): void {
  const { mode } = context.config.identity
  const blank = formPage({ asksToken: mode !== 'none' && mode !== 'headers' })
  const page = 'text/html; charset=utf-8'
  const config = { lateIdentity: true, ownRate: true }

  app.get('/upload', { config, schema: { hide: true } }, async (_request, reply) =>
    reply.type(page).send(blank)
  )

  app.post('/upload', { config, schema }, async (request, reply) => {
    try {
      const form = await openInTime(context, request)
      const token = form.fields.get('token')?.trim()
      await identify(app, request, token)
      const raw = await takeForm(context, request, form)
      const own = shownTo(request.caller, context.protections, raw.body)
      const image = parseDocument({ ...raw, body: own })
      const base = linkBase(request, context.publicEndpoint)
      reply.code(201).header('location', `${base}/v2/images/${image.id}`)
      if (!wantsPage(request)) return reply.type('application/json').send(own)
      return reply.type(page).send(donePage(image, base))
    } finally {
      dropForm(request)
    }
  })
}
