// Run as a process by the killed-writer case: puts to a key and never ends the body.
import { Readable } from 'node:stream'
import { guard } from '../guard.ts'
import { isWritable } from '../store.ts'

const CHUNK = 65_536

const [module = '', key = '', bytes = '0'] = process.argv.slice(2)
const { open } = await import(module)
// While the body stalls, only the channel keeps this process; it ends with its parent.
process.channel?.ref()
const store = guard('writer', await open())
if (!isWritable(store)) throw new Error('the store of the writer cannot be written to')

let left = Number(bytes)
const body = new Readable({
  read() {
    if (left === 0) {
      process.send?.('sent')
      return
    }
    const size = Math.min(CHUNK, left)
    left -= size
    this.push(Buffer.alloc(size, 0x5a))
  }
})
// where a size has to be declared: one that never comes
await store.put(key, body, store.features.unknownSize ? {} : { size: left + CHUNK })
