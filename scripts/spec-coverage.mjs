// Which rules of docs/rules.md have a test that ran. Names of tests come from the results of the
// last `npm test` (.tap/test-results), without them from the sources.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = new URL('../', import.meta.url).pathname
const ID = /\b(?:[A-Z]{3}\d{1,2}|S-\d{2}|V1-\d{2,3})\b/g

function readRules() {
  const rules = new Map()
  for (const line of readFileSync(join(root, 'docs/rules.md'), 'utf8').split('\n')) {
    const row = /^\|\s*((?:[A-Z]{3}\d{1,2})|(?:S-\d{2})|(?:V1-\d{2,3}))\s*\|\s*(.*?)\s*\|$/.exec(
      line
    )
    if (row === null) continue
    const [, id, text] = row
    if (rules.has(id)) throw new Error(`docs/rules.md has ${id} twice`)
    rules.set(id, { text, why: /^not applicable(.*)$/.exec(text)?.[1] })
  }
  return rules
}

function files(folder, suffix) {
  let entries = []
  try {
    entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
  } catch {
    return []
  }
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes('node_modules') && !path.includes('/dist/'))
}

/** Names of tests that passed, skipped ones left out. */
function namesFromResults() {
  const names = []
  for (const path of files('.tap/test-results', '.tap')) {
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const point = /^\s*ok \d+ - (.*)$/.exec(line)
      if (point !== null && !/ # (?:SKIP|TODO)/i.test(line)) names.push(point[1])
    }
  }
  return names
}

function namesFromSources() {
  const names = []
  for (const path of [...files('packages', '.test.ts'), ...files('e2e', '.test.ts')]) {
    const text = readFileSync(path, 'utf8')
    for (const match of text.matchAll(/\b(?:test|testWith)\(\s*(?:t,\s*)?(['"`])(.*?)\1/g)) {
      names.push(match[2])
    }
  }
  return names
}

const rules = readRules()
const results = namesFromResults()
const names = results.length > 0 ? results : namesFromSources()
const prefixes = new Set([...rules.keys()].map((id) => id.replace(/\d+$/, '')))
const tests = new Map([...rules.keys()].map((id) => [id, new Set()]))
const unknown = new Set()
for (const name of names) {
  for (const [id] of name.matchAll(ID)) {
    if (tests.has(id)) tests.get(id).add(name)
    else if (prefixes.has(id.replace(/\d+$/, ''))) unknown.add(id)
  }
}

const print = (line) => process.stdout.write(`${line}\n`)
const section = (title, ids, show) => {
  print(`\n${title} (${ids.length})`)
  for (const id of ids) print(`  ${id.padEnd(6)} ${show(id)}`)
}
const all = [...rules.keys()]
const covered = all.filter((id) => tests.get(id).size > 0)
const exempt = all.filter((id) => tests.get(id).size === 0 && rules.get(id).why !== undefined)
const missing = all.filter((id) => tests.get(id).size === 0 && rules.get(id).why === undefined)
print(results.length > 0 ? 'From the last test run.' : 'No test results: from the sources.')
section('covered', covered, (id) =>
  [...tests.get(id)]
    .map((name) => name.trim())
    .join(' · ')
    .slice(0, 200)
)
section('not applicable', exempt, (id) => rules.get(id).why.replace(/^[:\s]+/, ''))
section('no test yet', missing, (id) => rules.get(id).text)
print(
  `\n${covered.length} covered, ${exempt.length} not applicable, ${missing.length} without a test`
)
if (unknown.size > 0) {
  print(`Ids in test names that docs/rules.md does not have: ${[...unknown].sort().join(', ')}`)
  process.exitCode = 1
}
