import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { bombs } from './samples/bombs.ts'

const run = promisify(execFile)
const MOST_MS = 1000
/** Of a single call. */
const MOST_LONGEST_MS = 300
const MOST_RSS = 512 * 2 ** 20

interface Cost {
  readonly name: string
  readonly cpu?: number
  readonly longest?: number
  readonly keptTooMuch?: boolean
  readonly rss?: number
}

t.setTimeout(300_000)

const hasLimits = spawnSync('prlimit', ['--version']).status === 0
const isRequired = process.env.TANK_TEST_REQUIRE === 'all'
const skip = hasLimits || isRequired ? false : 'prlimit is not installed'

t.test('S-12 bombs cost little time and memory, and little is kept', { skip }, async (t) => {
  const child = fileURLToPath(new URL('./bombs.child.js', import.meta.url))
  const node = [process.execPath, '--max-old-space-size=96', child]
  const env = { ...process.env, NODE_OPTIONS: '' }
  const { stdout } = await run('prlimit', ['--cpu=60', '--', ...node], { env })
  const costs: Cost[] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.equal(costs.length, Object.keys(bombs()).length + 1)
  for (const { name, cpu = 0, longest = 0, keptTooMuch = false, rss = 0 } of costs) {
    t.ok(cpu < MOST_MS, `${name}: ${Math.round(cpu)} ms`)
    t.ok(longest < MOST_LONGEST_MS, `${name}: ${Math.round(longest)} ms at once`)
    t.notOk(keptTooMuch, `${name}: at most 3 MiB each are kept`)
    t.ok(rss < MOST_RSS, `${name}: ${Math.round(rss / 2 ** 20)} MiB`)
  }
})
