import t from 'tap'
import { conform } from './conform.ts'
import { noRealServer, openFake, openReal } from './servers.ts'

t.setTimeout(300_000)

t.test('a fake server', async (t) => {
  const memory = 'the fake keeps its images in this process'
  await conform(t, await openFake(), memory, { signPayload: false })
})

t.test('a real server', noRealServer === undefined ? {} : { skip: noRealServer }, async (t) => {
  // Four parts of 5 MiB; most of it is what the body has made and the garbage collector not seen yet.
  await conform(t, openReal(), 128)
})
