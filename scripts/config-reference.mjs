// Writes docs/configuration.md from the schemas of the servers; with --check only compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { schemas } from '../packages/cli/dist/src/config.js'

const file = new URL('../docs/configuration.md', import.meta.url)

const HEAD = `# Configuration

Made from the schemas by \`node scripts/config-reference.mjs\`; do not edit. How files, variables and
flags work together is said in [operations.md](operations.md).

The variable of a key is its path in capitals: \`TANK_\`, then the levels joined by \`__\`. \`NAME\` stands
for a name of your choice.
`

const variable = (path) =>
  `TANK_${path.map((key) => (key === 'NAME' ? key : key.replace(/[A-Z]/g, '_$&').toUpperCase())).join('__')}`

function typeOf(schema) {
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(' or ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`
  return schema.type ?? 'any'
}

function rows(schema, path) {
  const found = []
  for (const [key, each] of Object.entries(schema.properties ?? {})) {
    found.push(...rowsOf(each, [...path, key], schema.required?.includes(key)))
  }
  for (const each of Object.values(schema.patternProperties ?? {})) {
    found.push(...rowsOf(each, [...path, 'NAME'], false))
  }
  return found
}

function rowsOf(schema, path, isRequired) {
  if (schema.type === 'object' && (schema.properties || schema.patternProperties)) {
    return rows(schema, path)
  }
  const fallback = 'default' in schema ? `\`${JSON.stringify(schema.default)}\`` : ''
  const cells = [
    `\`${path.slice(1).join('.')}\``,
    typeOf(schema),
    fallback === '' && isRequired ? '*required*' : fallback,
    (schema.description ?? '').replaceAll('|', '\\|'),
    `\`${variable(path)}\``
  ]
  return [`| ${cells.join(' | ')} |`]
}

let text = HEAD
const sections = {
  api: schemas.api.properties.api,
  registry: schemas.registry.properties.registry,
  log: schemas.serve.properties.log
}
for (const [section, schema] of Object.entries(sections)) {
  text += `\n## ${section}\n`
  text += '\n| key | type | default | meaning | variable |\n| --- | --- | --- | --- | --- |\n'
  text += `${rows(schema, [section]).join('\n')}\n`
}
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(
      'docs/configuration.md is out of date: node scripts/config-reference.mjs\n'
    )
    process.exitCode = 1
  }
} else writeFileSync(file, text)
