import { explain } from '../explain.ts'
import { runApi } from './api-process.ts'
import type { ApiAssignment, FromWorker, ToWorker } from './messages.ts'

const tell = (message: FromWorker) => process.send?.(message)

// signals of the terminal reach the whole group; the main process decides what they mean for us
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})
// a terminal that is gone is no reason to end transfers
process.stderr.on('error', () => {})
// without the main process there is no registry to tell about anything
process.on('disconnect', () => process.exit(1))

let running: ReturnType<typeof runApi> | undefined

async function start(assignment: ApiAssignment): Promise<void> {
  try {
    running = runApi(assignment)
    tell({ type: 'listening', url: (await running).url })
  } catch (error) {
    tell({ type: 'failed', message: explain(error) })
    process.exitCode = 1
    process.disconnect()
  }
}

async function stop(how: 'stop' | 'cut'): Promise<void> {
  const server = await running?.catch(() => undefined)
  await server?.[how]()
  process.exit(0)
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'start') void start(message.assignment)
  else void stop(message.type)
})
tell({ type: 'waiting' })
