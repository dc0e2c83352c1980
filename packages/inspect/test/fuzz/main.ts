#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { fuzz } from './run.ts'

const HELP = `Looks for images that the inspector judges wrongly.

  --minutes N   how long (1)
  --seed S      begins with these random numbers (the time)
  --out FOLDER  where images are kept that were judged wrongly (./fuzz-found)
  --images DIR  begins with the images in DIR/good and DIR/hostile, too
  --qemu        asks qemu-img about images that are called safe
`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: `${Date.now() % 2 ** 31}` },
    out: { type: 'string', default: './fuzz-found' },
    images: { type: 'string' },
    qemu: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})

const say = (line: string) => process.stdout.write(`${line}\n`)
if (values.help) say(HELP)
else {
  const { out, images, qemu } = values
  const seed = Number(values.seed)
  const began = Date.now()
  let told = began
  say(`seed ${seed}`)
  const tally = await fuzz({
    minutes: Number(values.minutes),
    seed,
    out,
    images,
    isWithQemu: qemu,
    onTally: ({ images, corpus, blocks }) => {
      if (Date.now() - told < 10_000) return
      told = Date.now()
      say(
        `${Math.round((told - began) / 1000)} s: ${images} images, ${corpus} kept, ${blocks} blocks`
      )
    }
  })
  say(
    `${tally.images} images, ${tally.corpus} kept, ${tally.blocks} blocks, ${tally.asked} shown to qemu`
  )
  for (const { fault, file } of tally.faults) say(`FAULT ${fault}: ${file}`)
  process.exitCode = tally.faults.length === 0 ? 0 : 1
}
