// Writes openapi.json from the routes: `npm run openapi` after a build.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildRegistry } from '../dist/src/index.js'

const path = fileURLToPath(new URL('../openapi.json', import.meta.url))
const app = await buildRegistry({
  databaseUrl: 'postgres://127.0.0.1:1/unused',
  secret: 'unused secret',
  migrate: false
})
const { body } = await app.inject('/openapi.json')
await app.close()
await writeFile(path, JSON.stringify(JSON.parse(body), null, 2))
await promisify(execFile)('npx', ['biome', 'format', '--write', path])
