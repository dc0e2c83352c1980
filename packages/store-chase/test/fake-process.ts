// The fake in a process of its own, so that its memory is not taken for the store's.
import { FakeChase } from './fake-chase.ts'

const fake = await FakeChase.open(JSON.parse(process.argv[2] ?? '{}'))
fake.makeContainer('images')
fake.tokens.add('token-of-the-test')
process.send?.({ port: fake.port, account: fake.account })
process.on('disconnect', () => process.exit())
