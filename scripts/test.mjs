// Gives the tests a PostgreSQL (TANK_TEST_DATABASE_URL, else one of our own), runs the compiled test
// files given, and ends with one plain line. Without files it runs all but `*.long.test.js`, which take
// longer than all others together; `--all` runs these, too. `--soak` runs the long forms of the tests.
// `-g /REGEX/` runs the tests of that name, `-j N` so many files at a time.
// TANK_TEST_REQUIRE=all runs all files and lets no skipped test pass.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openEmbeddedPostgres } from '../packages/cli/dist/src/index.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const database = process.env.TANK_TEST_DATABASE_URL
const isRequired = process.env.TANK_TEST_REQUIRE === 'all'

async function openPostgres() {
  if (database) return { url: database, close: async () => {} }
  const dataDir = await mkdtemp(join(tmpdir(), 'tank-test-'))
  // the account that PostgreSQL runs under must get in when we are root
  await chmod(dataDir, 0o755)
  const quiet = () => {}
  const log = { info: quiet, warn: quiet, error: (...line) => process.stderr.write(`${line}\n`) }
  const postgres = await openEmbeddedPostgres({ dataDir, log, durable: false })
  return {
    url: postgres.url,
    close: async () => {
      await postgres.kill()
      await rm(postgres.data, { recursive: true, force: true })
      await rm(dataDir, { recursive: true, force: true })
    }
  }
}

/** So many lines of what a failed test says of itself are repeated at the end. */
const DIAGNOSIS_LINES = 40

/**
 * Reads TAP: the totals of the last line, what was skipped and what failed, by its whole name, and how
 * long files took.
 */
function createReader() {
  const names = []
  const skipped = []
  const failures = []
  let failing = null
  const times = []
  const totals = { pass: 0, fail: 0, skip: 0, todo: 0 }
  let rest = ''
  const readLine = (line) => {
    const subtest = /^( *)# Subtest: (.*)$/.exec(line)
    if (subtest !== null) {
      const depth = subtest[1].length / 4
      names.splice(depth, names.length, subtest[2])
    }
    const skip = /^( *)ok \d+ - (.*?) *# SKIP(.*)$/i.exec(line)
    // a case that does not apply (a store without that power) is not a test that was left out
    if (skip !== null && !/^ *n\/a\b/.test(skip[3])) {
      const where = names.slice(0, skip[1].length / 4)
      skipped.push(
        `${[...where, skip[2]].join(' > ')}${skip[3] === '' ? '' : ` (${skip[3].trim()})`}`
      )
    }
    const failure = /^( *)not ok \d+ - (?!.*# (?:TODO|SKIP))(.*?)(?: # time=.*)?$/i.exec(line)
    if (failure !== null) {
      const name = [...names.slice(0, failure[1].length / 4), failure[2]].join(' > ')
      // a test that holds the one that failed has nothing to add
      const isHolder = failures.at(-1)?.name.startsWith(`${name} > `) ?? false
      failing = isHolder ? null : { name, diagnosis: [] }
      if (failing !== null) failures.push(failing)
    } else if (failing !== null) {
      if (failing.diagnosis.length < DIAGNOSIS_LINES) failing.diagnosis.push(line)
      if (/^ *\.\.\.$|^ *(?:ok|# Subtest)/.test(line)) failing = null
    }
    const took = /^(?:not )?ok \d+ - (\S+\.test\.js) # time=([\d.]+)ms/.exec(line)
    if (took !== null) times.push({ file: took[1], seconds: Number(took[2]) / 1000 })
    const total = /^# \{ (.*) \}$/.exec(line)
    if (total !== null) {
      for (const [, key, value] of total[1].matchAll(/(\w+): (\d+)/g)) totals[key] += Number(value)
    }
  }
  return {
    totals,
    skipped,
    failures,
    times,
    write: (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) readLine(line)
    },
    end: () => {
      readLine(rest)
      rest = ''
    }
  }
}

const { values: options, positionals: given } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    soak: { type: 'boolean', default: false },
    grep: { type: 'string', short: 'g' },
    jobs: { type: 'string', short: 'j' }
  }
})
const isWhole = isRequired || options.soak || options.all
/** Files at a time: most of them wait for servers, or for time to pass. */
const jobs = Number(options.jobs ?? (isRequired ? 3 : 4))
const longJobs = Number(options.jobs ?? 3)
const isLong = (name) => name.endsWith('.long.test.js')
/** What takes longest comes first, so that nothing is left to be done alone. */
const SLOW = /\/(?:compose|stores|(?:conformance|corpus|crash|faults|fuzz)\.long)\.test\.js$/
const slowFirst = (files) => [
  ...files.filter((name) => SLOW.test(name)),
  ...files.filter((name) => !SLOW.test(name))
]

/** All compiled test files, from the root; not those whose source is gone. */
function testFiles() {
  const homes = ['packages', 'examples'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(parent, name))
  )
  return ['e2e', ...homes].flatMap((home) => {
    try {
      return readdirSync(join(root, home, 'dist/test'), { recursive: true })
        .filter((name) => name.endsWith('.test.js'))
        .filter((name) => existsSync(join(root, home, 'test', name.replace(/js$/, 'ts'))))
        .map((name) => join(home, 'dist/test', name))
    } catch {
      return []
    }
  })
}

const all = given.length > 0 ? given : testFiles()
const leftOut =
  isWhole || given.length > 0 ? [] : all.filter((name) => name.endsWith('.long.test.js'))
const files = all.filter((name) => !leftOut.includes(name))
const rounds = [
  { jobs, files: slowFirst(files.filter((name) => !isLong(name))) },
  { jobs: longJobs, files: slowFirst(files.filter(isLong)) }
].filter((round) => round.files.length > 0)

/** So many files are named at the end, by how long they took. */
const SLOWEST = 20

let wasStopped = false
let tap
const stop = () => {
  wasStopped = true
  // the files and what they have started, too
  if (tap?.pid !== undefined && tap.exitCode === null) process.kill(-tap.pid, 'SIGTERM')
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop)

const postgres = await openPostgres()
const reader = createReader()

/** Runs test files and gives the exit code. */
async function runRound({ jobs, files }) {
  tap = spawn(
    process.execPath,
    ['scripts/run-test-files.mjs', `${jobs}`, options.grep ?? '', ...files],
    {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        TAP: '1',
        TAP_TIMEOUT: '240',
        TANK_TEST_DATABASE_URL: postgres.url,
        ...(options.soak ? { TANK_TEST_SOAK: '1' } : {})
      }
    }
  )
  tap.stdout.setEncoding('utf8')
  tap.stdout.on('data', (chunk) => {
    process.stdout.write(chunk)
    reader.write(chunk)
  })
  const code = await new Promise((resolve) => {
    tap.on('error', () => resolve(1))
    tap.on('close', resolve)
  })
  reader.end()
  return code
}

let code = 0
try {
  for (const round of rounds) {
    if (!wasStopped) code = (await runRound(round)) || code
  }
} finally {
  await postgres.close()
}
const { totals, skipped, failures, times } = reader
if (times.length > SLOWEST) {
  const slowest = times.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST)
  for (const { file, seconds } of slowest) {
    process.stdout.write(`slowest: ${seconds.toFixed(0).padStart(4)} s  ${file}\n`)
  }
}
for (const name of skipped) process.stdout.write(`skipped: ${name}\n`)
for (const name of leftOut) process.stdout.write(`left out: ${name} (npm run test:all)\n`)
for (const { name, diagnosis } of failures) {
  process.stdout.write(`failed: ${[name, ...diagnosis].join('\nfailed: ')}\n`)
}
const isRefused = isRequired && skipped.length > 0
if (isRefused) process.stdout.write('TANK_TEST_REQUIRE=all: no test may be skipped\n')
const isIdle = totals.pass + totals.fail === 0
if (isIdle) process.stdout.write('no test ran\n')
const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : ''
process.stdout.write(`${totals.pass} passed, ${totals.fail} failed${tail}\n`)
process.exit(wasStopped ? 130 : code !== 0 || isRefused || isIdle ? 1 : 0)
