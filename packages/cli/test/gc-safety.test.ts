import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { serve } from './fake-services.ts'
import { sleep } from './programs.ts'
import { tank } from './service.ts'

t.setTimeout(60_000)

interface FakeRegistry {
  /** What `findOrphans` answers, of the keys that it is asked for. */
  readonly orphans?: (keys: readonly string[]) => readonly string[] | Promise<readonly string[]>
  readonly placements?: readonly object[]
}

/** A registry with garbage for whoever asks, and what it was asked. */
async function registryOf(t: Test, { orphans = (keys) => keys, placements = [] }: FakeRegistry) {
  const asked: string[] = []
  const url = await serve(t, async (request, reply) => {
    const path = String(request.url).replace(/\?.*/, '')
    asked.push(path)
    const body = (request.method === 'POST' ? await json(request) : {}) as { keys?: string[] }
    const garbage = [{ id: 'g', store: 'main', key: 'aa-garbage', claim: 'c' }]
    const isFirst = asked.filter((each) => each === path).length === 1
    const answers: Record<string, object> = {
      '/v1/garbage/images/scrub': { scrubbed: 0 },
      '/v1/garbage/claim': { garbage: isFirst ? garbage : [] },
      '/v1/placements': { placements }
    }
    const answer =
      path === '/v1/garbage/orphans'
        ? { orphans: await orphans(body.keys ?? []) }
        : (answers[path] ?? {})
    reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  const env = { TANK_REGISTRY_URL: url, TANK_REGISTRY_SECRET: 'a secret of the tests' }
  return { asked, env }
}

/** A store of files that are years old, or with none. */
function storeOf(t: Test, keys: readonly string[]): { dataDir: string; at(key: string): string } {
  const dataDir = t.testdir()
  const at = (key: string) => join(dataDir, 'images', key.slice(0, 2), key)
  mkdirSync(join(dataDir, 'images'))
  for (const key of keys) {
    mkdirSync(join(at(key), '..'), { recursive: true })
    writeFileSync(at(key), key)
  }
  return { dataDir, at }
}

const gc = (dataDir: string, env: Record<string, string>, ...flags: string[]) =>
  tank(['gc', '--older-than', '0', '--data-dir', dataDir, ...flags], { env })

t.test('gc asks whose the store is before it tells that garbage is gone', async (t) => {
  const { dataDir, at } = storeOf(t, ['aa-garbage', 'bb-1'])
  const foreign = await registryOf(t, {})
  const strange = await gc(dataDir, foreign.env)
  t.match(strange, {
    code: 1,
    out: /nothing was deleted: the registry and this store know nothing/
  })
  t.ok(existsSync(at('aa-garbage')))
  t.notOk(foreign.asked.includes('/v1/garbage/claim'))
  const own = await registryOf(t, { orphans: (keys) => keys.filter((key) => key === 'bb-1') })
  const done = await gc(dataDir, own.env)
  t.match(done, { code: 0, out: /garbage of 1 image deleted\n.*bb-1/ })
  t.ok(own.asked.includes('/v1/garbage/g/deleted'))
  t.notOk(existsSync(at('aa-garbage')))
})

t.test('gc takes an empty store for another one when images ought to lie there', async (t) => {
  const { dataDir } = storeOf(t, [])
  const placement = { id: 'p', store: 'main', key: 'aa-1', role: 'data', digests: {}, images: [] }
  const registry = await registryOf(t, { placements: [placement] })
  t.match(await gc(dataDir, registry.env), { code: 1, out: /nothing was deleted: / })
  t.notOk(registry.asked.includes('/v1/garbage/claim'))
  t.match(await gc(dataDir, registry.env, '--force'), { code: 0 })
  const fresh = await registryOf(t, {})
  t.match(await gc(dataDir, fresh.env), { code: 0 }, 'nothing here, nothing there')
})

t.test('Ctrl-C ends gc with 130', async (t) => {
  const { dataDir, at } = storeOf(t, ['aa-1'])
  let isAsked = false
  const registry = await registryOf(t, {
    orphans: () => {
      isAsked = true
      return new Promise(() => {})
    }
  })
  const running = gc(dataDir, registry.env)
  while (!isAsked) await sleep(10)
  process.emit('SIGINT')
  t.match(await running, { code: 130, err: /interrupted/ })
  t.ok(existsSync(at('aa-1')))
})

t.test('nothing is made where no Tank ever was', async (t) => {
  const dataDir = join(t.testdir(), 'typo')
  for (const words of [['gc'], ['store', 'gc'], ['scrub'], ['restore']]) {
    const { code, err } = await tank([...words, '--data-dir', dataDir])
    t.equal(code, 1, words.join(' '))
    t.match(
      err,
      `there is no Tank in ${dataDir}. Say where it is: --data-dir, or TANK_REGISTRY_URL`
    )
  }
  t.notOk(existsSync(dataDir))
})

t.test('half of a registry is a mistake, not another registry', async (t) => {
  const { dataDir } = storeOf(t, [])
  const secret = await gc(dataDir, { TANK_REGISTRY_SECRET: 'a secret of the tests' })
  t.match(secret, { code: 2, err: /the secret of a registry, but not .*TANK_REGISTRY_URL/ })
  const url = await gc(dataDir, { TANK_REGISTRY_URL: 'http://127.0.0.1:1' })
  t.match(url, { code: 2, err: /the address of a registry, but not .*TANK_REGISTRY_SECRET/ })
})
