import { randomUUID } from 'node:crypto'
import { FaultyLink, storeConformance } from '@tank/store/conformance'
import type { Test } from 'tap'
import { openHttpStore } from '../src/index.ts'
import type { Manners } from './origin.ts'

const elsewhere = 'takes seconds, and is shown with an origin as it should be'
const readOnly = 'nothing is written to an origin'

/** Runs the kit against an origin that `write` brings images to. */
export async function conforms(
  t: Test,
  port: number,
  write: (path: string, bytes: Buffer) => Promise<void>,
  { ranges: isUsual = true }: Manners = {}
): Promise<void> {
  const link = await FaultyLink.open(port)
  t.teardown(() => link.close())
  const at = (path: string) => `http://127.0.0.1:${link.port}/${path}`
  await storeConformance({
    test: (name, options, run) => t.test(name, options, run),
    open: () =>
      openHttpStore({
        allowHttp: true,
        ports: [link.port],
        allow: ['127.0.0.1'],
        // Failures take as long as this.
        openSeconds: 2
      }),
    async seed(bytes) {
      const path = `${randomUUID()}.img`
      await write(path, bytes)
      return at(path)
    },
    missing: () => at('missing.img'),
    faults: {
      refuse: isUsual ? link.fault({ kind: 'refuse' }) : elsewhere,
      hang: link.fault({ kind: 'hang' }),
      cut: link.fault({ kind: 'cut', bytes: 1_000_000 }),
      slow: isUsual ? link.fault({ kind: 'slow', bytesPerSecond: 1024 * 1024 }) : elsewhere,
      full: readOnly,
      reset: readOnly
    }
  })
}
