import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sleep } from './programs.ts'
import { startService, tank } from './service.ts'

t.setTimeout(120_000)

/** Longer than the steps before the last one take. */
const DELAY_S = 12

t.test(
  'V1-76 DEL8 tank restore brings a deleted image back, tank store gc ends what is due',
  async (t) => {
    const service = await startService({
      registry: { deleteDelaySeconds: DELAY_S, sweepSeconds: 3600 }
    })
    const flags = ['--data-dir', service.dataDir]
    const env = service.env('A')
    const push = async (name: string): Promise<string> => {
      const args = ['push', '-', '--name', name, '--disk-format', 'raw']
      const { code, out, err } = await tank(args, { env, input: Buffer.from(name) })
      if (code !== 0) throw new Error(err)
      return out.trim()
    }
    const remove = (id: string) => tank(['image', 'delete', '--yes', id], { env })
    const files = () =>
      readdirSync(join(service.dataDir, 'images'), { recursive: true, withFileTypes: true }).filter(
        (entry) => entry.isFile()
      ).length

    const kept = await push('kept')
    await remove(kept)
    t.not((await tank(['image', 'show', kept], { env })).code, 0)
    const listed = await tank(['restore', ...flags])
    t.equal(listed.code, 0, listed.err)
    t.match(
      listed.out,
      new RegExp(`^ID +NAME +OWNER +SIZE +DELETED +FOR GOOD\n${kept} +kept +A +4 B`)
    )
    const restored = await tank(['restore', kept, ...flags])
    t.match(restored, { code: 0, out: `${kept}: restored\n` })
    t.match((await tank(['pull', kept, '-o', '-'], { env })).out, 'kept', 'with its bytes')
    const again = await tank(['restore', kept, ...flags])
    t.equal(again.code, 1)
    t.match(again.err, /only what is pending_delete can be restored/)

    const gone = await push('gone')
    await remove(gone)
    t.equal(files(), 2)
    const early = await tank(['store', 'gc', ...flags])
    t.equal(early.code, 0, early.err)
    t.notMatch(early.out, /for good/)
    t.equal(files(), 2, 'its time is not over')
    await sleep(DELAY_S * 1000)
    const due = await tank(['store', 'gc', ...flags])
    t.equal(due.code, 0, due.err)
    t.match(due.out, /^1 image deleted for good$/m)
    t.equal(files(), 1)
    t.match((await tank(['restore', gone, ...flags])).err, /The image is deleted/)
  }
)
