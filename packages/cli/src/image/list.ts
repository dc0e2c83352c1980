import type { ImageDocument } from '@tank/client'
import { type Command, integer, text, texts, UsageError } from '../command-line.ts'
import { OUTPUT_FLAGS, presentationOf, presentList } from '../output/present.ts'
import { CONNECTION_FLAGS } from '../remote/connection.ts'
import { withSession } from '../remote/session.ts'
import { properties } from './fields.ts'

const COLUMNS = ['id', 'name', 'status', 'size', 'disk_format', 'visibility']
const LONG = [...COLUMNS, 'container_format', 'owner', 'protected', 'tags', 'stores', 'created_at']
const PAGE = 500

export const list: Command = {
  details:
    'Shows what its filters let through, the newest first. Values may have an operator, as in\n' +
    '--size gte:1073741824, and names several values: --name in:debian,ubuntu.',
  examples: [
    'tank image list --status active --sort name:asc',
    'tank image list -o value -c id --tag old | xargs tank image delete --yes'
  ],
  flags: {
    name: { type: 'string', value: 'NAME', help: 'of this name' },
    status: { type: 'string', value: 'STATUS', help: 'active, queued, …' },
    visibility: { type: 'string', value: 'WHO', help: 'private, shared, community, public or all' },
    owner: { type: 'string', value: 'PROJECT', help: 'of this project' },
    tag: { type: 'string', value: 'TAG', multiple: true, help: 'with this tag; may be repeated' },
    property: {
      type: 'string',
      short: 'p',
      value: 'NAME=VALUE',
      multiple: true,
      help: 'with this property; may be repeated'
    },
    'disk-format': { type: 'string', short: 'f', value: 'FORMAT', help: 'of this format' },
    'member-status': { type: 'string', value: 'STATUS', help: 'offered: pending, accepted, all' },
    hidden: { type: 'boolean', help: 'hidden ones instead' },
    sort: { type: 'string', value: 'FIELD:asc,…', help: 'order (created_at:desc)' },
    limit: { type: 'string', value: 'N', help: 'at most so many' },
    long: { type: 'boolean', short: 'l', help: 'more fields' },
    ...OUTPUT_FLAGS,
    ...CONNECTION_FLAGS
  },
  async run(call) {
    const presentation = presentationOf(call)
    const limit = integer(call, 'limit') ?? Number.POSITIVE_INFINITY
    if (limit === 0) throw new UsageError('--limit is at least 1.')
    const filter = {
      ...properties(call),
      name: text(call, 'name'),
      status: text(call, 'status'),
      visibility: text(call, 'visibility'),
      owner: text(call, 'owner'),
      tag: texts(call, 'tag'),
      disk_format: text(call, 'disk-format'),
      member_status: text(call, 'member-status'),
      os_hidden: call.values.hidden === true ? true : undefined,
      sort: text(call, 'sort')
    }
    const given = Object.fromEntries(
      Object.entries(filter).filter(([, each]) => each !== undefined)
    )
    return await withSession(call, async ({ tank, signal }) => {
      const images: ImageDocument[] = []
      const pageSize = Math.min(limit, PAGE)
      for await (const image of tank.list(given, { signal, pageSize })) {
        images.push(image)
        if (images.length >= limit) break
      }
      const columns = call.values.long === true ? LONG : COLUMNS
      call.print(await presentList(images, presentation, columns))
    })
  }
}
