import type { Worker } from 'node:cluster'

interface Handle {
  close(): void
}

interface HandOver {
  readonly act?: string
  readonly seq?: number
  readonly ack?: number
}

/**
 * The cluster module hands connections to workers and forgets those that a worker did not take
 * because it died: nobody would ever close them, and their clients would wait. This closes them.
 */
export function closeLostConnections(worker: Worker): void {
  const child = worker.process
  const pending = new Map<number, Handle>()
  const { send } = child
  Object.defineProperty(child, 'send', {
    configurable: true,
    writable: true,
    value: (...args: [message: HandOver, handle?: Handle, ...rest: unknown[]]) => {
      const [message, handle] = args
      if (message.act === 'newconn' && message.seq !== undefined && handle !== undefined) {
        pending.set(message.seq, handle)
      }
      return Reflect.apply(send, child, args)
    }
  })
  child.on('internalMessage', (message: HandOver) => {
    if (message.ack !== undefined) pending.delete(message.ack)
  })
  worker.once('exit', () => {
    for (const handle of pending.values()) handle.close()
    pending.clear()
  })
}
