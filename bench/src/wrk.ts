import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import { type Rate, runLoad } from './keep-alive.ts'
import { type Endpoint, requestHead } from './wire.ts'

const run = promisify(execFile)
const REPORT = `
function done(summary, latency)
  io.write(string.format("FIGURES %d %d %.3f %.3f %d\\n", summary.requests, summary.duration,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write +
    summary.errors.timeout))
end
`

export async function hasWrk(): Promise<boolean> {
  // It answers --version with status 1, so only a missing program counts.
  const error = await run('wrk', ['--version']).catch((failure: unknown) => failure)
  return !(error instanceof Error && 'code' in error && error.code === 'ENOENT')
}

export interface GetLoad {
  readonly endpoint: Endpoint
  readonly path: string
  readonly connections: number
  readonly seconds: number
}

/** GETs of one path as fast as the server answers: with wrk where it is installed. */
export async function getLoad(load: GetLoad, withWrk: boolean): Promise<Rate> {
  if (withWrk) return runWrk(load)
  const { endpoint, connections, seconds } = load
  const request = requestHead(endpoint, 'GET', load.path)
  return runLoad({ endpoint, request, connections, seconds, status: 200 })
}

async function runWrk(load: GetLoad): Promise<Rate> {
  const folder = await mkdtemp(`${tmpdir()}/tank-bench-`)
  try {
    await writeFile(`${folder}/report.lua`, REPORT)
    const { host, port, prefix, headers } = load.endpoint
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}${prefix}${load.path}`
    const options = [`-c${load.connections}`, '-t2', `-d${load.seconds}s`, '--timeout', '30s']
    const carried = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    const script = ['-s', `${folder}/report.lua`]
    const { stdout } = await run('wrk', [...options, ...carried, ...script, url])
    const figures = /FIGURES (\S+) (\S+) (\S+) (\S+) (\S+)/.exec(stdout)?.slice(1).map(Number)
    const [requests, microseconds, p50, p99, bad] = figures ?? []
    if (requests === undefined || microseconds === undefined) throw new Error(stdout)
    const perSecond = requests / (microseconds / 1e6)
    return { requests, perSecond, p50: p50 ?? 0, p99: p99 ?? 0, bad: bad ?? 0 }
  } finally {
    await rm(folder, { recursive: true })
  }
}
