// Removes what the build and the tests made. tsc leaves the output of deleted sources behind, so
// whole folders go.
import { readdirSync, rmSync } from 'node:fs'

const root = new URL('../', import.meta.url)
const projects = ['e2e/', 'bench/']
for (const name of readdirSync(new URL('packages/', root))) projects.push(`packages/${name}/`)
for (const path of [...projects.flatMap((p) => [`${p}dist`, `${p}tsconfig.tsbuildinfo`]), '.tap']) {
  rmSync(new URL(path, root), { recursive: true, force: true })
}
