// Run as a process, under a tracer that makes its system calls fail or kills it: one put.
import { Readable } from 'node:stream'
import { isStoreError } from '@tank/store'
import { openFsStore } from '../src/index.ts'

const [root = '', key = '', size = '0'] = process.argv.slice(2)
const store = await openFsStore({ root, blockSize: 262_144, flushBytes: 1_048_576 })
let left = Number(size)
const body = new Readable({
  read() {
    const chunk = Buffer.alloc(Math.min(left, 65_536), 0x41)
    left -= chunk.length
    this.push(chunk.length === 0 ? null : chunk)
  }
})
const end = await store.put(key, body, { size: Number(size) }).then(
  () => 'STORED',
  (error: unknown) => (isStoreError(error) ? error.code : String(error))
)
process.stdout.write(end)
