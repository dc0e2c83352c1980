// Runs compiled test files, N at a time, each in a Node of its own, and of them the tests that match
// GREP, if it is not empty: `run-test-files.mjs N GREP FILE...`. Writes their TAP to standard output.
// The files are plain JavaScript: nothing is loaded into them, nor into the servers that they start, as
// the `tap` command would for coverage and for TypeScript.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { t } from 'tap'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [jobs, grep, ...files] = process.argv.slice(2)

t.jobs = Number(jobs)
t.setTimeout(0)
t.plan(files.length)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => t.endAll())
for (const file of files) {
  // tap itself sets NODE_OPTIONS for the processes that it starts; `env` takes them away again
  const command = ['-u', 'NODE_OPTIONS', process.execPath, '--enable-source-maps', file]
  t.spawn('env', command, {
    at: null,
    stack: '',
    name: file,
    cwd: root,
    env: grep === '' ? process.env : { ...process.env, TAP_GREP: grep },
    buffered: t.jobs > 1,
    timeout: 240_000
  })
}
