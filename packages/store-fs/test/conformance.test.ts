import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { storeConformance } from '@tank/store/conformance'
import t from 'tap'
import { type FsStoreOptions, openFsStore } from '../src/index.ts'
import { files } from './surroundings.ts'

const variants: Record<string, Omit<FsStoreOptions, 'root'>> = {
  'as it comes': {},
  'small blocks, many flushes': { blockSize: 65_536, flushBytes: 131_072, fileMode: '0600' }
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
        },
        hang: 'a call of the file system cannot be ended',
        full: 'shown on a small file system in store.test.ts',
        cut: 'a file is cut while it is read in store.test.ts',
        reset: 'there is no connection',
        slow: 'there is no connection'
      },
      killedWriter: {
        module: new URL('./writer.js', import.meta.url),
        env: { TANK_TEST_STORE: JSON.stringify({ root, ...options }) }
      }
    })
  })
}
