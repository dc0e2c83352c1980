import t from 'tap'
import { type ApiDocument, createDocumentCheck } from '../../src/api-document.ts'
import { openStack, P1 } from '../../src/stack.ts'

t.test('the OpenAPI document', async (t) => {
  const stack = await openStack()
  t.teardown(() => stack.close())
  const text = (await stack.call(null, 'GET', '/openapi.json')).body.toString()
  const { id } = await stack.create(P1)

  /** Holds one answer against the document after `spoil` changed its text. */
  const hold = async (target: string, spoil: (text: string) => string) => {
    const spoiled = spoil(text)
    const check = createDocumentCheck(async (): Promise<ApiDocument> => JSON.parse(spoiled))
    await check('GET', target.replace(/^\/v2\.\d+/, '/v2'), await stack.call(P1, 'GET', target))
    return spoiled !== text
  }

  await t.test('answers that follow it pass, those that do not are found', async (t) => {
    const image = `/v2/images/${id}`
    for (const target of [image, `/v2.9/images/${id}`, '/v2/images', '/', '/readyz', '/nowhere']) {
      t.notOk(await hold(target, (same) => same), target)
    }
    const spoilt: [target: string, spoil: (text: string) => string, fault: RegExp][] = [
      [image, (s) => s.replaceAll('"200":', '"299":'), /status 200 is not listed/],
      [image, (s) => s.replaceAll('"application/json":', '"text/xml":'), /media type .*not listed/],
      [image, (s) => s.replace('"min_ram","size"', '"min_ram","absent","size"'), /absent/],
      ['/v2/images', (s) => s.replace('"min_ram","size"', '"min_ram","absent","size"'), /absent/],
      ['/v2/images/x', (s) => s.replace('"code","title"', '"code","hint","title"'), /hint/]
    ]
    for (const [target, spoil, fault] of spoilt) {
      await t.rejects(hold(target, spoil), { message: fault }, target)
      t.not(spoil(text), text)
    }
  })

  await t.test('people and programs read it without a token, also compressed', async (t) => {
    const gzip = { headers: { 'accept-encoding': 'gzip' } }
    const small = await stack.call(null, 'GET', '/openapi.json', gzip)
    t.equal(small.headers['content-encoding'], 'gzip')
    t.ok(small.body.length < text.length / 5)
    t.equal((await stack.call(null, 'GET', '/docs')).status, 200)
    t.equal((await stack.call(null, 'GET', '/openapi.json?x=1')).status, 200)
    for (const path of ['/docs/', '/docs/x', '/openapi.json/x']) {
      t.equal((await stack.call(null, 'GET', path)).status, 404, path)
    }
    t.equal((await stack.call(null, 'POST', '/docs')).status, 405)
  })
})
