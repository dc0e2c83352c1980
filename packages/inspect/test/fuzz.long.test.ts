import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t from 'tap'
import { fuzz } from './fuzz/run.ts'

const { env } = process
const isSoak = env.TANK_TEST_SOAK === '1'
/** The same images in each short run: what turns one red was changed, and not found by chance. */
const seed = Number(env.TANK_FUZZ_SEED ?? (isSoak ? Date.now() % 2 ** 31 : 664979695))
const minutes = isSoak ? 30 : 2

t.setTimeout((minutes + 3) * 60_000)

t.test(`S-10 S-12 images that chance makes are inspected well (seed ${seed})`, async (t) => {
  const tools = ['qemu-img', 'prlimit'].map((tool) => spawnSync(tool, ['--version']).status)
  const images = env.TANK_TEST_IMAGES
  const tally = await fuzz({
    minutes,
    seed,
    out: 'fuzz-found',
    images: images !== undefined && existsSync(images) ? images : undefined,
    isWithQemu: tools.every((status) => status === 0)
  })
  t.same(tally.faults, [], 'images in fuzz-found')
  t.comment(`${tally.images} images, ${tally.blocks} blocks, ${tally.asked} shown to qemu`)
  t.ok(tally.images > 100, `${tally.images} images`)
})
