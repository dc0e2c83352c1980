import { mkdir, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import t from 'tap'
import { MiB, pattern, patternDigest } from '../src/bytes.ts'
import { Images } from '../src/images.ts'
import { startTank, tempFolder } from '../src/tank.ts'

t.setTimeout(120_000)

const example = dirname(createRequire(import.meta.url).resolve('tank-store-memory/package.json'))

await t.test(
  'a store of somebody else is found beside the configuration, by its name',
  async (t) => {
    const folder = await tempFolder(t)
    await mkdir(join(folder, 'node_modules'))
    await symlink(example, join(folder, 'node_modules', 'tank-store-memory'))
    const tank = await startTank(t, {
      command: 'serve',
      config: { api: { stores: { here: { use: 'tank-store-memory', maxBytes: 8 * MiB } } } },
      args: ['--data-dir', join(folder, 'data')],
      folder,
      mark: folder
    })
    const images = new Images(tank.url)
    const { id } = await images.create()
    const size = 5 * MiB + 1
    t.equal((await images.upload(id, pattern({ size }))).status, 204)
    t.match(await images.show(id), { stores: 'here', size })
    t.match(await images.download(id), { status: 200, size, sha256: patternDigest(size) })
    const { id: other } = await images.create()
    t.equal((await images.upload(other, pattern({ size }))).status, 413, 'its FULL is ours')
    await images.waitFor(other, 'queued', 10_000)
  }
)
