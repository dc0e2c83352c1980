import { FaultyLink, storeConformance } from '@tank/store/conformance'
import t from 'tap'
import { openS3Store } from '../src/index.ts'

t.test('x', async (t) => {
  const endpoint = new URL(process.env.TANK_TEST_S3_ENDPOINT ?? '')
  const link = await FaultyLink.open(Number(endpoint.port), endpoint.hostname)
  t.teardown(() => link.close())
  const options = {
    endpoint: `http://127.0.0.1:${link.port}`,
    bucket: 'tank-test',
    accessKeyId: 'tankaccess',
    secretAccessKey: 'tanksecret',
    partSize: 5 * 1024 * 1024,
    retrySeconds: 3
  }
  await storeConformance({
    test: (name, o, run) => t.test(name, o, run),
    open: () => openS3Store(options),
    faults: {
      refuse: link.fault({ kind: 'refuse' }),
      hang: link.fault({ kind: 'hang' }),
      cut: link.fault({ kind: 'cut', bytes: 1_000_000 }),
      reset: link.fault({ kind: 'reset', bytes: 1_000_000 }),
      slow: link.fault({ kind: 'slow', bytesPerSecond: 1024 * 1024 })
    },
    killedWriter: 'later'
  })
})
