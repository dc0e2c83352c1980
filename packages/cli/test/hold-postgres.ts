import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedPostgres } from '../src/index.ts'

// opens the database of the folder that is named, says so, and stays until it is killed
const quiet = () => {}
const { data } = await openEmbeddedPostgres({
  dataDir: process.argv[2] ?? '',
  log: { info: quiet, warn: quiet, error: quiet },
  durable: false
})
const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
process.stdout.write(`${JSON.stringify({ data, pid })}\n`)
