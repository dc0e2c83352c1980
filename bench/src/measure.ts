import {
  cpuSeconds,
  type GroupRoots,
  machineSeconds,
  processGroup,
  proportionalMib,
  residentMib
} from './proc.ts'

/** What one measured piece of work cost. */
export interface Cost {
  readonly seconds: number
  /** CPU seconds of the server's processes, without the database. */
  readonly serverCpu: number
  readonly databaseCpu: number
  readonly clientCpu: number
  /** Cores that were busy with something else meanwhile. */
  readonly otherCores: number
  /** Highest sums over the server's processes, in MiB. */
  readonly peakRss: number
  readonly peakPss: number
}

const SAMPLE_MS = 50

/** Runs the work and reads off what it cost the server, the database and this process. */
export async function measure<T>(
  roots: GroupRoots,
  work: () => Promise<T>
): Promise<{ result: T; cost: Cost }> {
  let group = processGroup(roots)
  let peakRss = 0
  let peakPss = 0
  let samples = 0
  const sample = () => {
    if (samples % 10 === 0) {
      group = processGroup(roots)
      peakPss = Math.max(peakPss, proportionalMib(group.server))
    }
    samples++
    peakRss = Math.max(peakRss, residentMib(group.server))
  }
  const snapshot = () => {
    group = processGroup(roots)
    const own = process.cpuUsage()
    return {
      time: performance.now() / 1_000,
      machine: machineSeconds(),
      server: cpuSeconds(group.server),
      database: cpuSeconds(group.database),
      // Ended helpers such as wrk are in /proc's figure, but its clock is coarse.
      client: Math.max((own.user + own.system) / 1e6, cpuSeconds([process.pid]))
    }
  }
  const before = snapshot()
  sample()
  const timer = setInterval(sample, SAMPLE_MS)
  try {
    const result = await work()
    const after = snapshot()
    sample()
    const seconds = after.time - before.time
    const serverCpu = after.server - before.server
    const databaseCpu = after.database - before.database
    const clientCpu = after.client - before.client
    const other = after.machine - before.machine - serverCpu - databaseCpu - clientCpu
    const otherCores = Math.max(0, other) / seconds
    return {
      result,
      cost: { seconds, serverCpu, databaseCpu, clientCpu, otherCores, peakRss, peakPss }
    }
  } finally {
    clearInterval(timer)
  }
}
