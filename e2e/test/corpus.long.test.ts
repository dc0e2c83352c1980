import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import { FakeStore } from '../src/fake-store.ts'
import { importBy, over, tasks } from '../src/imports.ts'
import { missingVariable, testWith } from '../src/require.ts'
import { openStack, P1, type Stack } from '../src/stack.ts'
import { DATA, meta } from '../src/v1.ts'

t.setTimeout(300_000)

interface Entry {
  readonly path: string
  readonly size: number
  readonly qemu?: { readonly 'virtual-size': number }
}

const folder = process.env.TANK_TEST_IMAGES ?? ''
const needs = [missingVariable('TANK_TEST_IMAGES', 'e2e/servers/images.sh start')]

async function entries(kind: string): Promise<Entry[]> {
  const manifest: { images: Entry[] } = JSON.parse(
    await readFile(join(folder, 'manifest.json'), 'utf8')
  )
  return manifest.images.filter(({ path }) => path.startsWith(`${kind}/`))
}

/** What a file is declared as, by the end of its name, where that is no format of the API. */
const DECLARED: Record<string, object> = {
  hdd: { disk_format: 'ploop' },
  lkrn: { disk_format: 'aki' },
  ova: { disk_format: 'vmdk', container_format: 'ova' },
  ...Object.fromEntries(
    ['img', 'gz', 'xz', 'zip', 'qed', 'luks'].map((end) => [end, { disk_format: 'raw' }])
  )
}

function declared(path: string): Record<string, string> {
  const end = path.split('.').at(-1) ?? ''
  return { disk_format: end, ...DECLARED[end] }
}

interface Outcome {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  readonly image: any
}

async function put(
  stack: Stack,
  fields: object,
  body: Buffer | string,
  size?: number
): Promise<Outcome> {
  const { id } = await stack.create(P1, fields)
  const { status, body: answer } = await stack.call(P1, 'PUT', `/v2/images/${id}/file`, {
    headers: {
      'content-type': 'application/octet-stream',
      ...(size === undefined ? {} : { 'content-length': size })
    },
    body: typeof body === 'string' ? createReadStream(body) : body
  })
  const image = (await stack.json(P1, 'GET', `/v2/images/${id}`)).body
  return { status, text: answer.toString(), image }
}

/** Refused although they are sound: QED is given up, the others keep their data elsewhere. */
const NOT_TAKEN: Record<string, RegExp> = {
  'disk.qed': /QED_FORMAT/,
  'disk-flat2.vmdk': /VMDK_SUBFORMAT/,
  'disk-flat2-flat.vmdk': /vmdk does not match stream data raw/
}

/** What is shown when it is not what qemu-img says, which takes these for raw bytes. */
const SIZES: Record<string, number | null> = {
  'disk-fixed.vhd': 16777216,
  'disk.luks': 18845696,
  'disk.ova': null,
  'ipxe.iso': 1730560,
  'ipxe.lkrn': null,
  'memtest86+x64.iso': 1691648
}

function shownSize({ path, size, qemu }: Entry): number | null | undefined {
  const name = basename(path)
  // what is packed counts as it is
  if (/\.(?:gz|xz)$/.test(name)) return size
  return name in SIZES ? SIZES[name] : qemu?.['virtual-size']
}

const QCOW2_BACKING: RegExp = /QCOW2_BACKING_FILE at byte 8/
/** Why each hostile image is refused; 204: it is dangerous only to who unpacks or believes it. */
const HOSTILE: Record<string, RegExp | 204 | 413> = {
  'absolute.ova': /TAR_TRAVERSAL/,
  'backing-json.qcow2': QCOW2_BACKING,
  'backing-name-4gib.qcow2': QCOW2_BACKING,
  'backing-nbd.qcow2': QCOW2_BACKING,
  'backing-offset-outside.qcow2': QCOW2_BACKING,
  'backing-passwd.qcow2': QCOW2_BACKING,
  'backing-relative.qcow2': QCOW2_BACKING,
  'billion-laughs.ova': /OVF_DTD/,
  'blocks-4g.vdi': /VDI_HEADER/,
  'bomb-1gib.gz': 204,
  'bomb-256mib.zip': 204,
  'bomb-nested.gz.gz': 204,
  'capacity-absurd.vmdk': /VIRTUAL_SIZE_CAP/,
  'cluster-bits-63.qcow2': /QCOW2_TABLE_BOUNDS at byte 20/,
  'datafile-passwd.qcow2': /QCOW2_DATA_FILE/,
  'descriptor-outside.vmdk': /VMDK_HEADER at byte 28/,
  'embedded-flat-passwd.vmdk': /VMDK_SUBFORMAT at byte 512/,
  'empty.raw': 204,
  'encrypted-flag.qcow2': /QCOW2_CRYPT_HEADER/,
  'extension-4gib.qcow2': /QCOW2_TABLE_BOUNDS/,
  'flat-passwd.vmdk': /VMDK_SUBFORMAT/,
  'header-length-4gib.qcow2': /QCOW2_TABLE_BOUNDS at byte 100/,
  'header-only.qcow2': /TRUNCATED/,
  'html.raw': 204,
  'l1-outside.qcow2': /QCOW2_TABLE_BOUNDS at byte 36/,
  'magic-only.qcow2': /TRUNCATED/,
  'member-8gib.ova': /OVF_SYNTAX|TRUNCATED/,
  'one-byte.raw': 204,
  'polyglot-qcow2-iso.iso': /POLYGLOT/,
  'qcow2-declared-raw.raw': QCOW2_BACKING,
  'region-table-garbage.vhdx': /VHDX_REGION_TABLE/,
  'script.raw': 204,
  'short-header.qcow2': /TRUNCATED/,
  'size-16eib.qcow2': /VIRTUAL_SIZE_CAP/,
  'size-8eib.qcow2': /VIRTUAL_SIZE_CAP/,
  'size-absurd.vdi': /VIRTUAL_SIZE_CAP/,
  'size-absurd.vhd': /VIRTUAL_SIZE_CAP/,
  'size-zero.qcow2': 204,
  'snapshots-4g.qcow2': /QCOW2_TABLE_BOUNDS at byte 60/,
  'sparse-1eib.qcow2': /VIRTUAL_SIZE_CAP/,
  'sparse-1tib.qcow2': 204,
  'sparse-1tib.raw': 413,
  'symlink.ova': /TAR_LINK/,
  'traversal.ova': /TAR_TRAVERSAL/,
  'traversal.zip': 204,
  'truncated.qcow2': 204,
  'unknown-incompatible.qcow2': /QCOW2_UNKNOWN_INCOMPAT/,
  'version-1.qcow2': /QCOW2_VERSION/,
  'version-99.qcow2': /QCOW2_VERSION/,
  'xxe.ova': /OVF_DTD/
}

const SMALL = 2 ** 30

await testWith(t, 'FMT1 FMT6 FMT9 sound images are what they are', needs, async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  for (const entry of await entries('good')) {
    const { path } = entry
    const name = basename(path)
    const fields = declared(path)
    const { status, text, image } = await put(stack, fields, join(folder, path))
    const why = NOT_TAKEN[name]
    if (why !== undefined) {
      t.equal(status, 415, name)
      t.match(text, why, name)
      continue
    }
    t.equal(status, 204, name, { text })
    t.match(image, { status: 'active', virtual_size: shownSize(entry) }, name)
    if (fields.container_format !== undefined || fields.disk_format === 'aki') continue
    // the format of a raw disk is no other one, and nothing else is told from its bytes
    for (const other of ['qcow2', 'vmdk', 'vdi', 'vhd', 'vhdx', 'iso']) {
      if (other === fields.disk_format || (other === 'iso' && name.endsWith('.img'))) continue
      const wrong = await put(stack, { disk_format: other }, join(folder, path))
      t.equal(wrong.status, 415, `FMT2 ${name} as ${other}`)
      t.match(wrong.image, { status: 'queued', size: null, virtual_size: null })
    }
  }
})

await testWith(
  t,
  'S-10 S-12 S-24 S-31 S-32 S-41 hostile images are refused at once, or harmless',
  needs,
  async (t) => {
    const stack = await openStack({ api: { imageSizeCap: SMALL } })
    t.teardown(() => stack.close())
    const before = process.resourceUsage()
    const rss = process.memoryUsage.rss()
    let most = rss
    for (const { path, size } of await entries('hostile')) {
      const name = basename(path)
      const expected = HOSTILE[name]
      const { status, text, image } = await put(stack, declared(path), join(folder, path), size)
      most = Math.max(most, process.memoryUsage.rss())
      if (expected instanceof RegExp) {
        t.equal(status, 415, name)
        t.match(text, expected, name)
        t.match(text, /Image failed safety checks/)
        t.match(image, { status: 'queued', size: null }, name)
      } else t.equal(status, expected, name, { text })
    }
    const after = process.resourceUsage()
    const cpu = after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime
    t.ok(cpu < 30_000_000, `${cpu / 1e6} seconds of CPU`)
    t.ok(most - rss < 256 * 2 ** 20, `${most - rss} bytes more`)
  }
)

interface Sent {
  readonly path: string
  readonly size: number
  readonly fields: Record<string, string>
}

/** What became of a file: its image, and what was said when it was refused. */
interface Became {
  readonly said: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  readonly image: any
}

/** Larger files are not held in memory by the web server of the test. */
const MOST_ON_THE_WEB = 2 ** 28

/** Which of two reasons is seen first depends on the pieces in which the bytes come. */
const ANYHOW: Record<string, RegExp> = { 'polyglot-qcow2-iso.iso': /POLYGLOT|QCOW2_BACKING_FILE/ }

/** All ways by which bytes come in, but for the plain upload. */
function waysInto(stack: Stack, web: FakeStore) {
  const imported = async (id: string, method: { name: string; uri?: string }): Promise<Became> => {
    t.equal((await importBy(stack, id, method)).status, 202)
    const image = await over(stack, id)
    const [task] = await tasks(stack, id)
    return { said: String(task.message), image }
  }
  const shown = async (id: string) => (await stack.json(P1, 'GET', `/v2/images/${id}`)).body
  return {
    'stage and import': async ({ path, size, fields }: Sent): Promise<Became> => {
      const { id } = await stack.create(P1, fields)
      const staged = await stack.call(P1, 'PUT', `/v2/images/${id}/stage`, {
        headers: { 'content-type': 'application/octet-stream', 'content-length': size },
        body: createReadStream(path)
      })
      if (staged.status !== 204) return { said: `${staged.status}`, image: await shown(id) }
      return imported(id, { name: 'glance-direct' })
    },
    'web-download': async ({ path, size, fields }: Sent): Promise<Became | undefined> => {
      if (size > MOST_ON_THE_WEB) return undefined
      const { id } = await stack.create(P1, fields)
      const uri = `http://outside.test/${id}`
      web.bytes.set(uri, await readFile(path))
      try {
        return await imported(id, { name: 'web-download', uri })
      } finally {
        web.bytes.delete(uri)
      }
    },
    v1: async ({ path, size, fields }: Sent): Promise<Became> => {
      const id = randomUUID()
      // v1 wants kernels in containers of their own, and to be told that there are no bytes
      const container_format = fields.disk_format === 'aki' ? 'aki' : 'bare'
      const all = { container_format, ...fields, id, ...(size === 0 ? { size } : {}) }
      const answer = await stack.call(P1, 'POST', '/v1/images', {
        headers: { ...DATA, ...meta(all), 'content-length': size },
        body: createReadStream(path)
      })
      const said = answer.status === 201 ? '' : `${answer.status} ${answer.body}`
      return { said, image: await shown(id) }
    }
  }
}

await testWith(
  t,
  'FMT1 FMT3 FMT4 FMT5 S-10 S-12 S-24 S-31 S-32: the same by every way in',
  needs,
  async (t) => {
    const [main, web] = [new FakeStore(), new FakeStore()]
    const stack = await openStack({
      api: {
        stores: { main: { use: 'a' }, web: { use: 'web' } },
        defaultStore: 'main',
        imageSizeCap: SMALL,
        collectSeconds: 0.1,
        jobs: { pollSeconds: 0.1 },
        imports: { methods: ['glance-direct', 'web-download'] }
      },
      plugins: { a: main.plugin(), web: web.plugin('web') }
    })
    t.teardown(() => stack.close())
    const files = [...(await entries('good')), ...(await entries('hostile'))]
    for (const [way, send] of Object.entries(waysInto(stack, web))) {
      for (const entry of files) {
        const { path, size } = entry
        const name = basename(path)
        const became = await send({ path: join(folder, path), size, fields: declared(path) })
        if (became === undefined) continue
        const { said, image } = became
        const expected = NOT_TAKEN[name] ?? ANYHOW[name] ?? HOSTILE[name]
        if (expected instanceof RegExp) {
          t.match(said, expected, `${way}: ${name}`)
          t.notMatch(image, { status: 'active' }, `${way}: ${name}`)
        } else if (expected === 413) t.match(said, /413|larger than/, `${way}: ${name}`)
        else {
          t.match(image, { status: 'active' }, `${way}: ${name} ${said}`)
          if (expected === undefined)
            t.equal(image.virtual_size, shownSize(entry), `${way}: ${name}`)
        }
        if (typeof image?.id === 'string') await stack.call(P1, 'DELETE', `/v2/images/${image.id}`)
      }
    }
  }
)
