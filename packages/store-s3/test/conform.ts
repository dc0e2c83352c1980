import { FaultyLink, storeConformance } from '@tank/store/conformance'
import type { Test } from 'tap'
import { openS3Store, type S3StoreOptions } from '../src/index.ts'
import type { TestServer } from './servers.ts'

const MiB = 1024 ** 2

/** Runs the whole kit against a server, through a link that fails when it is told to. */
export async function conform(
  t: Test,
  server: TestServer,
  memoryMiB: number | string,
  extra: Partial<S3StoreOptions> = {}
) {
  const link = await FaultyLink.open(server.port)
  t.teardown(async () => {
    await link.close()
    await server.close()
  })
  const options = {
    ...server.options,
    endpoint: `http://127.0.0.1:${link.port}`,
    // Small parts and little patience: faults that last are to be over soon.
    partSize: 5 * MiB,
    retrySeconds: 1,
    ...extra
  }
  await storeConformance({
    test: (name, options, run) => t.test(name, options, run),
    open: () => openS3Store(options),
    leftovers: () => server.leftovers(),
    memoryMiB,
    faults: {
      refuse: link.fault({ kind: 'refuse' }),
      hang: link.fault({ kind: 'hang' }),
      full: 'a quota is shown in faults.long.test.ts',
      cut: link.fault({ kind: 'cut', bytes: 3 * MiB }),
      reset: link.fault({ kind: 'reset', bytes: 3 * MiB }),
      slow: link.fault({ kind: 'slow', bytesPerSecond: MiB })
    },
    killedWriter: {
      module: new URL('./writer.js', import.meta.url),
      env: { TANK_TEST_STORE: JSON.stringify(options) }
    }
  })
}
