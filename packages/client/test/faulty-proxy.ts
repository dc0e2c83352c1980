import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { type Teardown, urlOf } from './fake-server.ts'

/** What happens to the bytes of one direction of each connection, at a place among them. */
interface Fault {
  readonly at: number
  readonly what: 'flip' | 'cut' | 'stall'
}

export interface FaultyProxy {
  readonly url: string
  /** What is wrong from the next connection on; undefined for nothing. */
  down: Fault | undefined
  up: Fault | undefined
  /** Connections so far. */
  connections: number
}

/** A way to a server on which bytes come to harm. */
export async function openFaultyProxy(t: Teardown, target: string): Promise<FaultyProxy> {
  const sockets = new Set<Socket>()
  const { hostname, port } = new URL(target)
  const server = createServer((client) => {
    proxy.connections++
    const upstream = connect(Number(port), hostname)
    const cut = () => {
      client.resetAndDestroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', cut)
      socket.on('close', cut)
    }
    client.pipe(harm(proxy.up, cut)).pipe(upstream)
    upstream.pipe(harm(proxy.down, cut)).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const proxy: FaultyProxy = {
    url: urlOf(server.address()),
    down: undefined,
    up: undefined,
    connections: 0
  }
  return proxy
}

function harm(fault: Fault | undefined, cut: () => void): Transform {
  let passed = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const at = fault === undefined ? -1 : fault.at - passed
      passed += chunk.length
      if (fault === undefined || at < 0 || at >= chunk.length) return done(null, chunk)
      const bytes = Buffer.from(chunk)
      if (fault.what === 'flip') {
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
        return done(null, bytes)
      }
      this.push(bytes.subarray(0, at))
      if (fault.what === 'cut') setTimeout(cut, 20)
      // a stall never asks for more
    }
  })
}
