import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { ACTIONS, type StorePlugin } from '@tank/api'
import t from 'tap'
import {
  expected,
  HIDDEN,
  ROLES,
  ROWS,
  type Row,
  type Situation,
  VISIBLE
} from '../../src/access-rows.ts'
import { FakeStore } from '../../src/fake-store.ts'
import type { Answer } from '../../src/http.ts'
import { METADEF_FIXTURE, METADEF_NEW } from '../../src/metadef-access-rows.ts'
import { ADMIN, openStack, type Stack, type Who } from '../../src/stack.ts'
import { tempFolder } from '../../src/tank.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(300_000)

/** A store plugin that also notes every route which its application adds after it. */
function watchRoutes(plugin: StorePlugin, routes: Set<string>): StorePlugin {
  const watching: StorePlugin = async (app, options) => {
    app.addHook('onRoute', ({ method, url }) => {
      for (const route of [method].flat().map((each) => `${each} ${url}`)) {
        if (/^\/v[12](\/|$)/.test(url) || route.startsWith('POST /ui/')) routes.add(route)
      }
    })
    await plugin(app, options)
  }
  return Object.assign(watching, { [Symbol.for('skip-override')]: true })
}

async function open(dir: string) {
  const routes = new Set<string>()
  const web = new FakeStore()
  web.bytes.set('http://outside.test/data', Buffer.from('outside'))
  const stack = await openStack({
    api: {
      stores: { main: { use: 'main' }, second: { use: 'second' }, web: { use: 'web' } },
      defaultStore: 'main',
      jobs: { pollSeconds: 0.3 },
      cache: { dir },
      locations: { showMultiple: true },
      policy: { see_any_image: 'role:auditor' }
    },
    plugins: {
      main: watchRoutes(new FakeStore().plugin(), routes),
      second: new FakeStore().plugin(),
      web: web.plugin('web')
    }
  })
  return { stack, routes }
}

const project = (situation: Situation) => (situation === 'own' ? 'P1' : 'P2')
/** The roles, and one that the configuration lets see every image. */
const SEATS = [...ROLES, 'auditor'] as const
type Seat = (typeof SEATS)[number]
const NAMES: Partial<Record<Seat, string>> = { nobody: '', auditor: 'auditor,reader' }
const caller = (seat: Seat, situation: Situation): Who => ({
  user: seat,
  project: project(situation),
  roles: NAMES[seat] ?? seat
})

/** Images of P1, one for each situation and state, made again after something changed them. */
class Subjects {
  readonly #stack: Stack
  readonly #ids = new Map<string, string>()

  constructor(stack: Stack) {
    this.#stack = stack
  }

  async get(situation: Situation, state: Row['image']): Promise<string> {
    if (situation === 'absent') return randomUUID()
    const key = `${situation} ${state}`
    const id = this.#ids.get(key) ?? (await this.#make(situation, state))
    this.#ids.set(key, id)
    return id
  }

  forget(situation: Situation, state: Row['image']): void {
    this.#ids.delete(`${situation} ${state}`)
  }

  async #make(situation: Situation, state: Row['image']): Promise<string> {
    const isShared = situation === 'own' || situation === 'pending' || situation === 'accepted'
    const visibility = isShared
      ? 'shared'
      : situation === 'public' || situation === 'community'
        ? situation
        : 'private'
    const stack = this.#stack
    const { id } = await stack.create(ADMIN, { owner: 'P1', visibility, tags: ['t'] })
    const path = `/v2/images/${id}`
    if (isShared) await stack.json(ADMIN, 'POST', `${path}/members`, { member: 'P2' })
    if (situation === 'accepted') {
      await stack.json(ADMIN, 'PUT', `${path}/members/P2`, { status: 'accepted' })
    }
    if (state !== 'queued') await stack.upload(ADMIN, id, 'data')
    if (state === 'deactivated') await stack.call(ADMIN, 'POST', `${path}/actions/deactivate`)
    if (state === 'copied') await this.#copy(path)
    if (situation === 'deleted') await stack.call(ADMIN, 'DELETE', path)
    return id
  }

  async #copy(path: string): Promise<void> {
    const body = { method: { name: 'copy-image' }, stores: ['second'] }
    await this.#stack.json(ADMIN, 'POST', `${path}/import`, body)
    await until(`${path} lies in both stores`, 15_000, async () => {
      const { body: image } = await this.#stack.json(ADMIN, 'GET', path)
      const isCopied = image.stores === 'main,second' && !('os_glance_import_task' in image)
      return isCopied ? true : undefined
    })
  }
}

/** Definitions as they were before anything changed them. */
async function remakeMetadefs(stack: Stack): Promise<void> {
  const path = '/v2/metadefs/namespaces'
  for (const name of [METADEF_FIXTURE.namespace, METADEF_NEW]) {
    await stack.call(ADMIN, 'DELETE', `${path}/${name}`)
  }
  await stack.json(ADMIN, 'POST', path, METADEF_FIXTURE)
}

function send(stack: Stack, row: Row, who: Who | null, id: string): Promise<Answer> {
  const [method = '', url = ''] = row.route.split(' ')
  const path = (row.path ?? url)
    .replace(':id', id)
    .replace(':tag', 't')
    .replace(':member', 'P2')
    .replace(':store', 'second')
  const { body, headers, query = '' } = row
  return stack.call(who, method, `${path}${query}`, {
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
  })
}

interface Shape {
  readonly status: number
  readonly headers: object
  readonly body: string
}

/** An answer without what differs from request to request. */
function shapeOf({ status, headers, body }: Answer, id: string): Shape {
  const { date, 'x-openstack-request-id': requestId, ...rest } = headers
  return { status, headers: rest, body: body.toString().replaceAll(id || '-', 'ID') }
}

const nameOf = ({ route, query = '', body }: Row) =>
  `${route}${query} ${typeof body === 'object' ? JSON.stringify(body) : ''}`.trim()

t.test('the table of access', async (t) => {
  const { stack, routes } = await open(join(await tempFolder(t), 'cache'))
  t.teardown(() => stack.close())
  const subjects = new Subjects(stack)

  await t.test('S-01: every route and every action has a row', async (t) => {
    t.same([...new Set(ROWS.map(({ route }) => route))].sort(), [...routes].sort())
    const actions = new Set<string>(ROWS.flatMap((row) => row.actions))
    t.same([...actions].sort(), Object.keys(ACTIONS).sort())
  })

  await t.test('HTP1: nobody gets anywhere without an identity', async (t) => {
    for (const row of ROWS) {
      t.equal((await send(stack, row, null, randomUUID())).status, 401, nameOf(row))
    }
  })

  /** What every role gets for one image, one role after the other. */
  const column = async (row: Row, situation: Situation): Promise<Shape[]> => {
    const isRead = /^(GET|HEAD) /.test(row.route)
    const shapes: Shape[] = []
    for (const role of SEATS) {
      const id = row.image === undefined ? '' : await subjects.get(situation, row.image)
      if (row.route.includes('/v2/metadefs/')) await remakeMetadefs(stack)
      const answer = shapeOf(await send(stack, row, caller(role, situation), id), id)
      if (answer.status < 300 && !isRead) subjects.forget(situation, row.image)
      shapes.push(answer)
    }
    return shapes
  }

  for (const row of ROWS) {
    const situations: Situation[] = row.image === undefined ? ['own'] : [...VISIBLE, ...HIDDEN]
    await t.test(`S-01, VS4, VS5: ${nameOf(row)}`, async (t) => {
      const columns = await Promise.all(situations.map((situation) => column(row, situation)))
      for (const [index, role] of SEATS.entries()) {
        const got = columns.map((shapes) => shapes[index])
        t.same(
          got.map((shape, at) => `${situations[at]} ${shape?.status}`),
          situations.map((name) => `${name} ${expected(row, role, name)}`),
          role
        )
        if (role === 'admin' || row.image === undefined) continue
        const [foreign, deleted, absent] = got.slice(VISIBLE.length)
        t.same(deleted, absent, `${role}: what was deleted answers like what never was`)
        if (role === 'auditor') continue
        t.same(foreign, absent, `${role}: and so does what is hidden`)
      }
    })
  }
})
