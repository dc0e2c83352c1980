import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createInspector } from '../src/index.ts'
import { checkKept } from './fuzz/oracle.ts'
import { bombs } from './samples/bombs.ts'

// Run by bombs.long.test.ts under limits of its own; says what each bomb cost.
setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

function milliseconds(act: () => void): number {
  const from = process.cpuUsage()
  act()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000
}

/** What all of it took, and the longest single call, during which a server does nothing else. */
function costOf(bytes: Uint8Array, chunk: number): { cpu: number; longest: number } {
  let longest = 0
  const cpu = milliseconds(() => {
    const inspector = createInspector()
    for (let at = 0; at < bytes.length; at += chunk) {
      const piece = bytes.subarray(at, at + chunk)
      longest = Math.max(
        longest,
        milliseconds(() => inspector.push(piece))
      )
    }
    longest = Math.max(
      longest,
      milliseconds(() => inspector.end())
    )
    inspector.report()
  })
  return { cpu, longest }
}

for (const [name, bytes] of Object.entries(bombs())) {
  const costs = [costOf(bytes, 65536), costOf(bytes, 511), costOf(bytes, 2 ** 20)]
  const cpu = Math.max(...costs.map((cost) => cost.cpu))
  const longest = Math.max(...costs.map((cost) => cost.longest))
  const fault = await checkKept(bytes, Math.floor(bytes.length * 0.7), gc)
  const keptTooMuch = fault !== undefined
  process.stdout.write(`${JSON.stringify({ name, cpu, longest, keptTooMuch })}
`)
}
process.stdout.write(
  `${JSON.stringify({ name: 'all', rss: process.resourceUsage().maxRSS * 1024 })}\n`
)
