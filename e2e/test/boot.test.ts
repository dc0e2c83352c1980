import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { get } from 'node:http'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startAlone } from '../src/cluster.ts'
import { command } from '../src/command.ts'
import { missingCommand, missingVariable, testWith } from '../src/require.ts'
import { tempFolder } from '../src/tank.ts'

t.setTimeout(300_000)

interface Entry {
  readonly path: string
  readonly size: number
  readonly sha256: string
  readonly boots: boolean
  readonly qemu?: { readonly format: string }
}

const folder = process.env.TANK_TEST_IMAGES ?? ''
const script = fileURLToPath(new URL('../../servers/images.sh', import.meta.url))
const needs = [
  missingVariable('TANK_TEST_IMAGES', 'e2e/servers/images.sh start'),
  missingCommand('qemu-system-x86_64')
]

/** The format names of the Image API for what qemu-img calls them. */
const diskFormats: Record<string, string> = { vpc: 'vhd', parallels: 'ploop' }

async function fetchTo(url: string, file: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      pipeline(response, createWriteStream(file)).then(resolve, reject)
    }).on('error', reject)
  })
}

await testWith(
  t,
  'every bootable image goes in, comes out the same and boots',
  needs,
  async (t) => {
    const { tank, images } = await startAlone(t)
    const out = await tempFolder(t)
    const manifest: { images: Entry[] } = JSON.parse(
      await readFile(join(folder, 'manifest.json'), 'utf8')
    )
    // a descriptor without the extent beside it boots nothing, and QED is not taken (FMT9)
    const bootable = manifest.images.filter(
      (entry) => entry.boots && !/flat|\.qed$/.test(entry.path)
    )
    t.ok(bootable.length >= 14, `${bootable.length} images`)
    for (const entry of bootable) {
      const isIso = entry.path.endsWith('.iso')
      const format = isIso ? 'iso' : (entry.qemu?.format ?? 'raw')
      const image = await images.create({
        name: basename(entry.path),
        disk_format: diskFormats[format] ?? format
      })
      const put = await images.upload(image.id, createReadStream(join(folder, entry.path)), {
        length: entry.size
      })
      t.equal(put.status, 204, `${entry.path} in`, { answer: put.body.toString() })
      const file = join(out, basename(entry.path))
      await fetchTo(`${tank.url}/v2/images/${image.id}/file`, file)
      const digest = createHash('sha256')
        .update(await readFile(file))
        .digest('hex')
      t.equal(digest, entry.sha256, `${entry.path} out`)
      t.equal((await images.show(image.id)).size, entry.size)
      const boot = await command(script, ['boot', file, format])
      t.equal(boot.code, 0, `${entry.path} boots: ${boot.stdout.trim()}`)
    }
  }
)
