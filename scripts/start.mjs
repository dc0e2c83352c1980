// Runs `tank serve` in this process, with the flags that follow `npm start --`.
import { main } from '../packages/cli/dist/src/index.js'

// npm and its shell may die without a word to us; then nobody could stop this process any more
if (process.env.npm_lifecycle_event !== undefined) {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM')
  }, 500).unref()
}
process.exit(await main(['serve', ...process.argv.slice(2)]))
