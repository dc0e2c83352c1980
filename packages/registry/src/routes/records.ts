import { Type } from 'typebox'
import { showRecord } from '../images/show-record.ts'
import { rawQuery } from '../list/query-string.ts'
import { listRecords } from '../list/records.ts'
import { ImageRecordSchema } from '../record-schemas.ts'
import { ImageParams, parameter, type RoutePlugin, sendImage, sendPage } from './route.ts'

/** For readers: the handler reads the raw query itself. */
const Query = Type.Object(
  {
    limit: parameter('Images a page'),
    marker: parameter('Id of the last image of the page before'),
    sort_key: parameter('`created_at`, if not given'),
    sort_dir: parameter('`asc` or `desc`'),
    is_public: parameter(
      'Of administrators: `true` as others see it, `false` all that is not public, `none` everything'
    ),
    'changes-since': parameter('ISO 8601; deleted and killed images are listed, too'),
    name: parameter('Equal, as are `status`, `disk_format`, `container_format`'),
    min_ram: parameter('Equal, as is `min_disk`'),
    size_min: parameter('Inclusive, as is `size_max`'),
    protected: parameter('`true` or `false`')
  },
  {
    additionalProperties: true,
    description: '`property-NAME` filters by a custom property; what else is there is of no matter'
  }
)

/** Images as the Image API v1 needs them. */
export const recordRoutes: RoutePlugin = async (app, { database, settings }) => {
  app.get(
    '/records',
    {
      schema: {
        summary: 'List images as records',
        description:
          'The list language of the Image API v1. `tank-next-marker` is there when a page may follow.',
        tags: ['images'],
        querystring: Query,
        response: { 200: Type.Array(ImageRecordSchema) }
      }
    },
    async (request, reply) => {
      const query = rawQuery(request.raw.url ?? '')
      const page = await listRecords(database, request.registryCaller, query, settings.pageSize)
      return sendPage(reply, page)
    }
  )

  app.get(
    '/records/:id',
    {
      schema: {
        summary: 'Show an image as a record',
        description: '`ETag` is the version. Administrators see deleted images, too.',
        tags: ['images'],
        params: ImageParams,
        response: { 200: ImageRecordSchema }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      return sendImage(reply, await showRecord(database, request.registryCaller, id))
    }
  )
}
