import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { storeConformance } from '@tank/store/conformance'
import t from 'tap'
import { type FsStoreOptions, openFsStore } from '../src/index.ts'

async function files(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(() => [])
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
}

const variants: Record<string, Omit<FsStoreOptions, 'root'>> = {
  'as it comes': {},
  'small blocks, many flushes': { blockSize: 65_536, flushBytes: 131_072 },
  'without fsync': { fsync: false, fileMode: '0600' }
}

for (const [name, options] of Object.entries(variants)) {
  t.test(name, async (t) => {
    const mount = join(t.testdir(), 'mount')
    const root = join(mount, 'images')
    await mkdir(mount)
    await storeConformance({
      test: (name, options, run) => t.test(name, options, run),
      open: () => openFsStore({ root, ...options }),
      leftovers: () => files(root),
      faults: {
        refuse: async () => {
          await rename(mount, `${mount}.away`)
          return () => rename(`${mount}.away`, mount)
        }
      },
      killedWriter: {
        module: new URL('./writer.js', import.meta.url),
        env: { TANK_TEST_ROOT: root }
      }
    })
  })
}
