import { type Fault, storeConformance } from '@tank/store/conformance'
import t from 'tap'
import type { ChaseStoreOptions } from '../src/index.ts'
import {
  type Backend,
  fakeServer,
  MiB,
  openLink,
  realServers,
  type Server
} from './surroundings.ts'

t.setTimeout(300_000)

// The kit's images are up to 192 MiB large: they have up to 39 segments, or 192.
const large: Partial<ChaseStoreOptions> = { segmentSize: 5 * MiB }
const small: Partial<ChaseStoreOptions> = { segmentSize: MiB }
// Short manifests, so that there are lists of lists.
const fewPlaces = { maxSegments: 16, maxFileSize: 64 * MiB }

const runs: readonly [Server, Partial<ChaseStoreOptions>][] = [
  ...realServers().map((server): [Server, Partial<ChaseStoreOptions>] => [server, large]),
  [fakeServer('a fake Swift with short manifests', fewPlaces), small]
]

function full(backend: Backend): Fault {
  const quota = async (bytes: string) => {
    const headers = { 'x-container-meta-quota-bytes': bytes }
    await backend.request('POST', `/${backend.container}`, headers)
  }
  return async () => {
    await quota('1')
    return () => quota('')
  }
}

for (const [server, options] of runs) {
  t.test(server.name, server.skip === undefined ? {} : { skip: server.skip }, async (t) => {
    const backend = await server.open()
    const isSwift = server.name === 'Swift'
    const {
      link,
      open,
      options: given
    } = await openLink(backend, {
      ...options,
      tempUrlKey: backend.tempUrlKey,
      prefix: 'im/'
    })
    t.teardown(async () => {
      await link.close()
      await backend.close()
    })
    await storeConformance({
      test: (name, options, run) => t.test(name, options, run),
      open,
      leftovers: () => backend.names(),
      faults: {
        refuse: link.fault({ kind: 'refuse' }),
        hang: link.fault({ kind: 'hang' }),
        full: isSwift ? full(backend) : 'only Swift’s quotas hold at once',
        cut: link.fault({ kind: 'cut', bytes: 3 * MiB }),
        reset: link.fault({ kind: 'reset', bytes: MiB }),
        slow: link.fault({ kind: 'slow', bytesPerSecond: MiB })
      },
      killedWriter: {
        module: new URL('./writer.js', import.meta.url),
        env: { TANK_TEST_STORE: JSON.stringify(given) }
      }
    })
  })
}
