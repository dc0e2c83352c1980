import { createHash, type Hash } from 'node:crypto'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { DigestMessage, DigestReply } from './digest-messages.ts'

const { index } = workerData as { readonly index: number }
const hashes = new Map<number, Map<string, Hash>>()
let next: MessagePort | undefined

function reply(message: DigestReply, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer)
}

function passOn(message: DigestMessage, transfer: ArrayBuffer[]): boolean {
  const hops = message.hops.slice(1)
  if (hops.length === 0) return false
  next?.postMessage({ ...message, hops }, transfer)
  return true
}

function hashesOf(message: DigestMessage): Map<string, Hash> {
  let own = hashes.get(message.id)
  if (own === undefined) {
    own = new Map(message.hops[0]?.algorithms.map((name) => [name, createHash(name)]))
    hashes.set(message.id, own)
  }
  return own
}

function handle(message: DigestMessage): void {
  if (message.kind === 'block') {
    const view = new Uint8Array(message.block, 0, message.length)
    for (const hash of hashesOf(message).values()) hash.update(view)
    if (!passOn(message, [message.block]))
      reply({ kind: 'block', id: message.id, block: message.block }, [message.block])
    return
  }
  const own = hashesOf(message)
  hashes.delete(message.id)
  if (message.kind === 'drop') {
    passOn(message, [])
    return
  }
  const digests = { ...message.digests }
  for (const [name, hash] of own) digests[name] = hash.digest('hex')
  if (!passOn({ ...message, digests }, [])) reply({ kind: 'end', id: message.id, digests })
}

parentPort?.on('message', (message: DigestMessage | { kind: 'neighbour'; port: MessagePort }) => {
  if (message.kind === 'neighbour') {
    next = message.port
    next.on('message', handle)
    reply({ kind: 'ready', index })
  } else handle(message)
})
