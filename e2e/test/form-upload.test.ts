import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { newTokenSecret } from '@tank/service'
import t from 'tap'
import { filesIn } from '../src/folder.ts'
import { FORM_TYPE, FORMATS, type FormPart, field, file, formBody } from '../src/form.ts'
import {
  ADMIN,
  identityHeaders,
  openStack,
  P1,
  READER,
  type Stack,
  type Who
} from '../src/stack.ts'
import { until } from '../src/wait.ts'

t.setTimeout(120_000)

const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

function post(stack: Stack, who: Who | null, parts: readonly FormPart[], headers: object = {}) {
  const body = formBody(parts)
  return stack.call(who, 'POST', '/ui/upload', { headers: { ...FORM_TYPE, ...headers }, body })
}

/** No record of whatever status, and no byte, also none that waits for the collector. */
async function nothingLeft(stack: Stack): Promise<void> {
  await until('nothing is left', 20_000, async () => {
    const { images } = (await stack.json(ADMIN, 'GET', '/v2/images?visibility=all')).body
    const files = filesIn(stack.root).filter(({ path }) => !path.endsWith('.sock'))
    if (images.length === 0 && files.length === 0) return true
    throw new Error(JSON.stringify({ images, files }))
  })
}

t.test('uploads from a browser', async (t) => {
  const stack = await openStack({ api: { imageSizeCap: 1 << 20 } })
  t.teardown(() => stack.close())

  await t.test('S-49 the page runs nothing and sends only here', async (t) => {
    const page = await stack.call(null, 'GET', '/ui/upload')
    t.equal(page.status, 200)
    t.match(page.headers, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        /default-src 'none'; style-src 'sha256-\S+'; .*form-action 'self'; frame-ancestors 'none'$/,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff'
    })
    const text = page.body.toString()
    t.notMatch(text, /<script|https?:|name="token"/, 'a front says who it is here')
    t.ok(text.indexOf('name="file"') > text.indexOf('name="properties"'), 'the file comes last')
    t.equal((await stack.call(P1, 'POST', '/ui/other')).status, 404)
    t.equal((await stack.call(P1, 'PUT', '/ui/upload')).status, 405)
  })

  await t.test('a form makes an image, with a page or JSON for an answer', async (t) => {
    const bytes = randomBytes(300_000)
    const fields = [
      field('name', 'a <b>'),
      ...FORMATS,
      field('visibility', 'private'),
      field('min_disk', '2'),
      field('min_ram', ''),
      field('tags', 'x, y\nx'),
      field('properties', 'os_distro=debian\r\n\r\nnote = a=b ')
    ]
    const made = await post(stack, P1, [...fields, file(bytes)], { accept: 'application/json' })
    t.equal(made.status, 201)
    const image = JSON.parse(made.body.toString())
    t.match(image, {
      name: 'a <b>',
      status: 'active',
      owner: 'P1',
      visibility: 'private',
      min_disk: 2,
      min_ram: 0,
      tags: ['x', 'y'],
      os_distro: 'debian',
      note: 'a=b',
      size: bytes.length,
      os_hash_value: sha256(bytes)
    })
    t.equal(made.headers.location, `${stack.url}/v2/images/${image.id}`)
    const data = await stack.call(P1, 'GET', `/v2/images/${image.id}/file`)
    t.ok(data.body.equals(bytes))

    const page = await post(stack, P1, [...fields, file(bytes)], HTML)
    t.equal(page.status, 201)
    t.match(page.headers['content-type'], /^text\/html/)
    const text = page.body.toString()
    const id = /tank pull ([0-9a-f-]{36})/.exec(text)?.[1]
    for (const part of [id, 'a &lt;b&gt;', `${bytes.length} bytes`, sha256(bytes)]) {
      t.ok(text.includes(String(part)), String(part))
    }
    for (const each of [id, image.id]) await stack.call(P1, 'DELETE', `/v2/images/${each}`)
    await nothingLeft(stack)
  })

  await t.test('S-29 what is wrong with a form, to its very end, leaves nothing', async (t) => {
    const data = file(randomBytes(100_000))
    const many = Array.from({ length: 40 }, (_, index) => field(`f${index}`, ''))
    const wrong: [what: string, parts: readonly FormPart[], says: RegExp, status?: number][] = [
      ['no file', FORMATS, /has no file/],
      ['an empty file', [...FORMATS, file('')], /an empty one/],
      ['nothing at all', [], /has no file/],
      ['a field after the file', [...FORMATS, data, field('name', 'x')], /'name' comes after it/],
      ['a strange field after it', [...FORMATS, data, field('x', 'x')], /a field comes after it/],
      ['two files', [...FORMATS, data, data], /more than one file/],
      ['two files, one empty', [...FORMATS, data, file('')], /more than one file/],
      ['another name', [...FORMATS, file('x', 'image')], /in the field 'file'/],
      ['a field that is not known', [field('status', 'active'), data], /not known/],
      ['a field twice', [...FORMATS, ...FORMATS, data], /stands twice/],
      ['no formats', [data], /fill in 'disk_format'/],
      [
        'a format that does not exist',
        [field('disk_format', 'x'), ...FORMATS.slice(1), data],
        /disk_format/
      ],
      [
        'a long field',
        [...FORMATS, field('name', 'x'.repeat(70_000)), data],
        /more than 65536 bytes/
      ],
      ['a long name of a field', [field('x'.repeat(200), ''), data], /not known/],
      ['many fields', [...many, data], /not known|too many/],
      ['__proto__', [field('__proto__', 'x'), ...FORMATS, data], /form/],
      ['a number that is none', [...FORMATS, field('min_disk', '-1'), data], /min_disk/],
      ['a property without a name', [...FORMATS, field('properties', '=x'), data], /NAME=VALUE/],
      ['a public image', [...FORMATS, field('visibility', 'public'), data], /publicize_image/, 403],
      ['more than the cap', [...FORMATS, file(randomBytes((1 << 20) + 1))], /at most 1048576/, 413]
    ]
    for (const [what, parts, says, status = 400] of wrong) {
      const answer = await post(stack, P1, parts)
      t.equal(answer.status, status, `${what}: ${answer.body}`)
      t.equal(answer.headers['content-type'], 'application/problem+json')
      t.match(JSON.parse(answer.body.toString()).detail, says, what)
    }
    const page = await post(stack, P1, [...FORMATS, file('')], HTML)
    t.equal(page.status, 400)
    t.match(page.body.toString(), /<p>The form has no file, or an empty one<\/p>/)
    t.equal((await post(stack, READER, [...FORMATS, data])).status, 403)
    const json = await stack.json(P1, 'POST', '/ui/upload', {})
    t.equal(json.status, 415)
    await nothingLeft(stack)
  })

  await t.test('S-11 what the service owns is not set through a form', async (t) => {
    const names = [
      'id',
      'status',
      'owner',
      'checksum',
      'size',
      'self',
      'os_hash_value',
      'locations'
    ]
    for (const name of [...names, 'os_glance_x', 'deleted']) {
      const parts = [...FORMATS, field('properties', `${name}=x`), file('data')]
      const answer = await post(stack, ADMIN, parts)
      t.ok([400, 403].includes(answer.status), `${name}: ${answer.status}`)
    }
    await nothingLeft(stack)
  })

  await t.test('S-49 the page of somebody else cannot send it', async (t) => {
    const parts = [...FORMATS, file('data')]
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' }
    ]) {
      t.equal((await post(stack, P1, parts, headers)).status, 403, JSON.stringify(headers))
    }
    await nothingLeft(stack)
    const own = { origin: stack.url, 'sec-fetch-site': 'same-origin' }
    const made = await post(stack, P1, parts, own)
    t.equal(made.status, 201)
    await stack.call(P1, 'DELETE', String(made.headers.location).slice(stack.url.length))
  })

  await t.test('S-29 a connection cut at any byte leaves nothing', async (t) => {
    const body = formBody([...FORMATS, file('the bytes of an image')])
    const head = Object.entries({
      host: 'tank',
      'content-length': body.length,
      ...FORM_TYPE,
      ...identityHeaders(P1)
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    const start = Buffer.from(`POST /ui/upload HTTP/1.1\r\n${head.join('')}\r\n`)
    const { hostname, port } = new URL(stack.url)
    const cutAt = (length: number) =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname)
        socket.on('error', () => {})
        socket.on('close', () => resolve())
        socket.on('connect', () => {
          socket.write(Buffer.concat([start, body.subarray(0, length)]), () => {
            // an answer that came before the end ends it, too
            setTimeout(() => socket.resetAndDestroy(), 5)
          })
        })
      })
    const lengths = Array.from(body.keys())
    const worker = async (): Promise<void> => {
      for (let at = lengths.pop(); at !== undefined; at = lengths.pop()) await cutAt(at)
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    await nothingLeft(stack)
    const nothing = { images: 0, uploads: 0, stored_bytes: 0, reserved_bytes: 0 }
    t.match(await stack.registry.usage('P1'), nothing)
  })
})

t.test('S-48 a token comes with the form, and is shown and kept nowhere', async (t) => {
  const stack = await openStack({ api: { identity: { mode: 'tokens' } } })
  t.teardown(() => stack.close())
  const { secret, digest } = newTokenSecret()
  const whose = { user: 'u', project: 'P1', domain: null, roles: ['member'], expires_at: null }
  await stack.registry.createToken({ id: randomUUID(), digest, name: 'form', ...whose })
  const page = await stack.call(null, 'GET', '/ui/upload')
  t.match(page.body.toString(), /type="password" name="token" autocomplete="off"/)
  const send = (token: string | undefined, headers: object = HTML) => {
    const given = token === undefined ? [] : [field('token', token)]
    return post(stack, null, [...given, ...FORMATS, file('data')], headers)
  }
  for (const token of [undefined, '', 'tank_wrong', 'not a token']) {
    const answer = await send(token)
    t.equal(answer.status, 401, String(token))
    t.notMatch(answer.body.toString(), /tank_wrong|not a token/)
  }
  const made = await send(secret)
  t.equal(made.status, 201)
  t.notMatch(made.body.toString(), secret)
  const byHeader = await send(undefined, { 'x-auth-token': secret })
  t.equal(byHeader.status, 201)
  t.equal(JSON.parse(byHeader.body.toString()).owner, 'P1')
})
