import { randomUUID } from 'node:crypto'
import t from 'tap'
import { MiB, pattern } from '../../src/bytes.ts'
import { patience, startAlone } from '../../src/cluster.ts'
import { waitForBytes } from '../../src/folder.ts'
import { request } from '../../src/http.ts'
import { isSoak } from '../../src/require.ts'
import { DATA, meta, RAW } from '../../src/v1.ts'
import { until } from '../../src/wait.ts'

t.setTimeout(300_000)

const BLOCKS = 256

await t.test(
  'kill -9 in the middle of a v1 upload leaves a killed image and no bytes',
  async (t) => {
    const alone = await startAlone(t)
    const url = (path: string) => `${alone.tank.url}/v1${path}`
    const statusOf = async (id: string) =>
      (await request(url(`/images/${id}`), { method: 'HEAD' })).headers['x-image-meta-status']
    for (const method of isSoak ? ['POST', 'PUT'] : ['POST']) {
      const id = randomUUID()
      const headers = { ...DATA, ...meta({ ...RAW, id }), 'transfer-encoding': 'chunked' }
      if (method === 'PUT') {
        const reserved = await request(url('/images'), {
          method: 'POST',
          headers: meta({ ...RAW, id })
        })
        t.equal(reserved.status, 201)
      }
      let killed: Promise<void> | undefined
      const body = pattern({
        size: BLOCKS * MiB,
        onBlock(index) {
          if (index === BLOCKS / 2) killed = alone.tank.kill()
        }
      })
      const path = method === 'POST' ? '/images' : `/images/${id}`
      const sent = request(url(path), { method, headers, body }).then(
        ({ status }) => status,
        () => 0
      )
      await until('the kill', 60_000, () => (killed === undefined ? undefined : true))
      await killed
      t.equal(await sent, 0)
      await alone.restart()
      await until('it is killed', patience, async () =>
        (await statusOf(id)) === 'killed' ? true : undefined
      )
      await waitForBytes(alone.store, 0, patience)
      const again = await request(url(`/images/${id}`), { method: 'PUT', headers: DATA, body: 'x' })
      t.equal(again.status, 409, 'nothing leaves killed')
      t.equal((await request(url(`/images/${id}`), { method: 'DELETE' })).status, 200)
    }
  }
)
