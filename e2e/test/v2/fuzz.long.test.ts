import fc from 'fast-check'
import t from 'tap'
import type { ApiDocument } from '../../src/api-document.ts'
import { FuzzJudge } from '../../src/fuzz/judge.ts'
import { requestsOf } from '../../src/fuzz/requests.ts'
import { withV1 } from '../../src/fuzz/v1-document.ts'
import { isSoak } from '../../src/require.ts'
import { openStack } from '../../src/stack.ts'

t.setTimeout(isSoak ? 3_600_000 : 600_000)

const RUNS = isSoak ? 100_000 : 5000
/** `TANK_FUZZ_SEED` repeats a run. */
const given = Number(process.env.TANK_FUZZ_SEED)
const seed = Number.isInteger(given) && given !== 0 ? given : Date.now() & 0x7fffffff

t.test('S-05, S-27, S-30, S-39, S-42, S-43: random requests', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const document: ApiDocument = JSON.parse(
    (await stack.call(null, 'GET', '/openapi.json')).body.toString()
  )
  const judge = new FuzzJudge(stack, document)
  t.teardown(() => judge.close())
  for (let made = 0; made < 12; made++) await judge.makeSubjects()

  await t.test(`${RUNS} requests, TANK_FUZZ_SEED=${seed}`, async (t) => {
    let runs = 0
    const property = fc.asyncProperty(requestsOf(withV1(document)), async (request) => {
      await judge.judge(request)
      if (++runs % 250 === 0 && !(await judge.isWell())) throw new Error('the service is ill')
    })
    await fc.assert(property, { numRuns: RUNS, seed })
    t.ok(await judge.isWell())
    t.comment(JSON.stringify(Object.fromEntries([...judge.statuses].sort())))
    for (const each of ['POST 201', 'GET 200', 'PUT 204', 'DELETE 204']) {
      t.ok(judge.statuses.has(each), `the requests reach ${each}`)
    }
  })
})
