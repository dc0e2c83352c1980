import { Type } from 'typebox'
import { listImages } from '../list/list.ts'
import { rawQuery } from '../list/query-string.ts'
import { ImageDocumentSchema } from '../schemas.ts'
import { parameter, type RoutePlugin, sendPage } from './route.ts'

/** For readers: the handler reads the raw query itself, so nothing is lost or guessed. */
const Query = Type.Object(
  {
    limit: parameter('Images a page'),
    marker: parameter('Id of the last image of the page before'),
    sort: parameter('`key[:dir],key[:dir]`'),
    sort_key: parameter('Repeatable'),
    sort_dir: parameter('Repeatable: `asc` or `desc`'),
    visibility: parameter('`public`, `private`, `shared`, `community` or `all`'),
    member_status: parameter('`accepted`, `pending`, `rejected` or `all`'),
    os_hidden: parameter('`true`: only hidden images'),
    tag: parameter('Repeatable; images that have all')
  },
  {
    additionalProperties: true,
    description:
      'Filters of the Image API v2; any name that is no attribute is a custom property to be equal'
  }
)

export const listImagesRoute: RoutePlugin = async (app, { database, settings }) => {
  app.get(
    '/images',
    {
      schema: {
        summary: 'List images',
        description:
          'The list language of the Image API v2. `tank-next-marker` is there when a page may follow.',
        tags: ['images'],
        querystring: Query,
        response: { 200: Type.Array(ImageDocumentSchema) }
      }
    },
    async (request, reply) => {
      const query = rawQuery(request.raw.url ?? '')
      const page = await listImages(database, request.registryCaller, query, settings.pageSize)
      return sendPage(reply, page)
    }
  )
}
