import t from 'tap'
import { metadata, recordBlock, tableHead, tableRow } from '../src/classic/layout.ts'
import { pagesOf } from '../src/classic/list.ts'
import { startService, tank } from './service.ts'

t.setTimeout(120_000)

const service = await startService()
const env = service.env('A')
const run = (...args: string[]) => tank(args, { env })
const made = async (name: string, ...flags: string[]) => {
  const { code, out, err } = await run(
    ...['image', 'create', name, '-o', 'value', '-c', 'id', ...flags]
  )
  if (code !== 0) throw new Error(err)
  return out.trim()
}
const rows = (out: string) => out.split('\n').slice(2, -1)
const namesOf = (out: string) => rows(out).map((row) => row.slice(37, 67).trimEnd())

const first = await made('first', '-f', 'qcow2', '-p', 'color=red', '--min-ram', '256')
const pushed = await tank(['push', '-', '-n', 'second', '-q'], { env, input: Buffer.from('abc') })
const second = pushed.out.trim()
const third = await made('third', '--container-format', 'ovf', '--min-disk', '7', '-p', 'color=red')

t.test('V1-85 nothing to show: no output at all', async (t) => {
  for (const verb of ['index', 'details']) {
    t.match(await tank([verb], { env: service.env('B') }), { code: 0, out: '', err: '' }, verb)
  }
})

t.test('the table: columns of fixed widths, null as None, long values cut', async (t) => {
  const { out } = await run('index', 'name=second')
  t.equal(
    out,
    `${'ID'.padEnd(36)} ${'Name'.padEnd(30)} ${'Disk Format'.padEnd(20)} ` +
      `${'Container Format'.padEnd(20)} ${'Size'.padEnd(14)}\n` +
      `${[36, 30, 20, 20, 14].map((width) => '-'.repeat(width)).join(' ')}\n` +
      `${second} ${'second'.padEnd(30)} ${'raw'.padEnd(20)} ${'bare'.padEnd(20)} ${'3'.padStart(14)}\n`
  )
  t.match(tableHead(), /^ID {34} Name/)
  const long = { id: 'i', name: 'n'.repeat(40), size: 0, disk_format: null }
  t.equal(
    tableRow(long),
    `${'i'.padEnd(36)} ${'n'.repeat(30)} ${'None'.padEnd(20)} ${'None'.padEnd(20)} ${'0'.padStart(14)}\n`
  )
  t.notOk(tableRow({ ...long, name: '\u001b[2J' }).includes('\u001b'), 'a name steers no terminal')
})

t.test('V1-90 the block of a record has its lines', async (t) => {
  const { code, out } = await run('show', second)
  t.equal(code, 0)
  t.equal(
    out.replace(/^Owner: .*\n/m, ''),
    [
      `URI: ${service.url}/v1/images/${second}`,
      `Id: ${second}`,
      'Public: No',
      'Protected: No',
      'Name: second',
      'Status: active',
      'Size: 3',
      'Disk format: raw',
      'Container format: bare',
      'Minimum Ram Required (MB): 0',
      'Minimum Disk Required (GB): 0',
      ''
    ].join('\n')
  )
  t.match(out, /^Owner: A$/m)
  t.match((await run('show', first)).out, /^Property 'color': red$/m)
  const none = '11111111-2222-4333-8444-555555555555'
  t.match(await run('show', none), {
    code: 1,
    out: `No image with ID ${none} was found\n`,
    err: ''
  })
  const plain = { id: 'i', name: null, status: 'queued', size: 0 }
  t.equal(recordBlock('http://h:1', plain).split('\n').length - 1, 11)
})

t.test('V1-93 index filters, one and two at once', async (t) => {
  const cases: [filters: string[], names: string[]][] = [
    [[], ['third', 'second', 'first']],
    [['name=first'], ['first']],
    [['disk_format=qcow2'], ['first']],
    [['container_format=ovf'], ['third']],
    [['status=active'], ['second']],
    [['color=red'], ['third', 'first']],
    [
      ['color=red', 'status=queued'],
      ['third', 'first']
    ],
    [['color=red', 'container_format=ovf,'], ['third']],
    [['size_min=3'], ['second']],
    [['nothing=such'], []]
  ]
  for (const [filters, names] of cases) {
    t.same(namesOf((await run('index', ...filters)).out), names, filters.join(' '))
  }
  const wrong = await run('index', 'size_min=-1')
  t.match(wrong, { code: 1, out: /size_min/ }, 'what the service says is told')
  t.match(await run('index', 'name'), { code: 1, out: /field=value, not "name"/ })
})

t.test('V1-94 details filters exactly, and counts lines', async (t) => {
  const { out } = await run('details', 'min_ram=256')
  t.match(out, new RegExp(`^={80}\nURI: .*${first}\n`))
  t.match(out, /\n={80}\n$/)
  // the rules, eleven lines, the owner, a property
  t.equal(out.split('\n').length - 1, 15)
  t.equal((await run('details', 'min_ram=255')).out, '')
  t.match((await run('details', 'min_disk=7')).out, new RegExp(`Id: ${third}`))
  const all = await run('details')
  t.equal(all.out.split('\n').filter((line) => line === '='.repeat(80)).length, 4)
})

t.test('V1-95 index with changes-since', async (t) => {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 19)
  t.equal(namesOf((await run('index', `changes-since=${at(-1)}`)).out).length, 3)
  t.equal((await run('index', `changes-since=${at(1)}`)).out, '')
})

t.test('V1-96 order and marker, in index and details', async (t) => {
  const order = ['--sort_key=name', '--sort_dir=asc']
  t.same(namesOf((await run('index', ...order)).out), ['first', 'second', 'third'])
  t.same(namesOf((await run('index', ...order, '--marker', first)).out), ['second', 'third'])
  const { out } = await run('details', '--marker', second, ...order)
  t.same(out.match(/^Name: .*/gm), ['Name: third'])
  t.match(await run('index', '--sort_dir=sideways'), { code: 2, err: /asc or desc/ })
})

t.test('pages: the head once, a question where somebody is asked', async (t) => {
  const paged = await run('index', '--limit', '1')
  t.equal(namesOf(paged.out).length, 3, 'all of them for a script')
  t.equal(paged.out.match(/^ID/gm)?.length, 1)
  const answered = async (limit: string, typed: string) =>
    await tank(['index', '--limit', limit], { env, answers: [['Fetch next page? [Y/n] ', typed]] })
  t.equal(namesOf((await answered('1', 'n')).out).length, 1)
  t.equal(namesOf((await answered('2', '')).out).length, 3)
  const forced = await tank(['index', '--limit', '1', '--force'], { env, answers: [] })
  t.equal(namesOf(forced.out).length, 3)
})

t.test('pages end when one is empty: a service may have a limit of its own', async (t) => {
  const all = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id }))
  let questions = 0
  const more = async () => {
    questions += 1
    return true
  }
  const get = async ({ marker }: { readonly marker?: string | null | undefined }) => {
    const from = all.findIndex(({ id }) => id === marker) + 1
    return all.slice(from, from + 2)
  }
  const found: string[] = []
  for await (const page of pagesOf({ limit: 5000 }, { get, more }))
    found.push(...page.map(({ id }) => id))
  t.same(found, ['a', 'b', 'c', 'd', 'e'])
  t.equal(questions, 0)
  let pages = 0
  for await (const page of pagesOf({ limit: 2 }, { get: async () => all.slice(0, 2), more }))
    pages += page.length / 2
  t.equal(pages, 1, 'not for ever, of one that knows no marker')
})

t.test('options in the old way', async (t) => {
  const { hostname, port } = new URL(service.url)
  const { TANK_TOKEN: token = '', HOME = '' } = env
  const call = (...args: string[]) => tank(args, { env: { HOME } })
  const where = ['-H', hostname, '-p', port]
  t.match(await call('index', ...where, '-A', token), { code: 0, out: /first/ })
  t.match(await call(...['index', '--os_auth_token', token, '-U', service.url]), { code: 0 })
  t.match(await call('index', ...where), { code: 1, out: /wants to know who you are/, err: '' })
  t.match(await call('index', ...where, '--ssl'), { code: 1, out: /does not speak TLS/ })
  t.match(await call('index', '-p', '1'), { code: 1, out: /^no service answers at http:\/\/127/ })
  t.match(await call('-v'), { code: 0, out: /^tank \d/ }, 'the version, as ever')
  t.match(await call('-v', 'x'), { code: 2, out: '', err: /no command "-v"/ })
  t.match(await run('index', '-v'), { code: 0, out: /\nCompleted in \d\.\d{4} sec\.\n$/ })
  t.match(await call('index', ...where, '-d'), { code: 1, err: /at / })
  t.match(await call('index', ...where, '-S', 'x'), { code: 2, err: /noauth or keystone/ })
})

t.test('options stand anywhere', async (t) => {
  const added = await run('-v', '--dry-run', 'add', 'name=x')
  t.match(added, { code: 0, out: /^This image would be added:[\s\S]*\nCompleted in / }, added.err)
  const call = (...args: string[]) => tank(args, { env: { HOME: env.HOME ?? '' } })
  const who = ['-U', service.url, '-A', env.TANK_TOKEN ?? '']
  t.match(await call(...who, 'show', '-v', second), { code: 0, out: /^Name: second$/m })
  const attached = ['-vA', env.TANK_TOKEN ?? '', `--url=${service.url}`, '--limit', '10']
  t.match(await call(...attached, 'index', 'name=first'), { code: 0, out: / first / })
  t.match(await run('-T', 'index', 'index', 'name=first'), { code: 0, out: / first / }, 'a value')
  t.match(await run('-f', 'show', second), { code: 2, err: /'-f'.* tank show --help/ })
  t.match(await run('-v', 'index', '--help'), { code: 0, out: /^tank index / })
  t.match(await run('-U', 'index'), { code: 2, err: /no command "-U"/ })
  t.match(await run('-v', 'image', 'list'), { code: 2, err: /no command "-v"/ })
})

t.test('metadata: by name, right-aligned', (t) => {
  t.equal(
    metadata({ name: 'x', id: 1 }),
    `${'id'.padStart(30)} => 1\n${'name'.padStart(30)} => x\n`
  )
  t.end()
})
