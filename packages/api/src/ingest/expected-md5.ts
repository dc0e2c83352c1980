import { TankError } from '@tank/model'
import type { DigestRun } from './digests.ts'

/** Digests whose `end` also throws INVALID_REQUEST when the data has another MD5 than was said. */
export function expectMd5(run: DigestRun, expected: string | undefined): DigestRun {
  if (expected === undefined) return run
  let isOver = false
  return {
    feed: (chunk) => run.feed(chunk),
    get onDrain() {
      return run.onDrain
    },
    set onDrain(resume) {
      run.onDrain = resume
    },
    async end() {
      const digests = await run.end()
      isOver = true
      if (digests.md5 === expected) return digests
      throw new TankError(
        'INVALID_REQUEST',
        `The checksum of the data is ${digests.md5}, but ${expected} was announced`
      )
    },
    drop() {
      // a run that has ended has nothing to drop
      if (!isOver) run.drop()
    }
  }
}
