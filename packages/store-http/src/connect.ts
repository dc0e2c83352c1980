import {
  isIP,
  type LookupFunction,
  connect as netConnect,
  type Socket,
  type SocketConstructorOpts,
  type TcpNetConnectOpts
} from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { buildConnector } from 'undici'
import { parseAddress, plain } from './address.ts'

/** The one place that a connection may lead to. */
export interface Destination {
  readonly hostname: string
  /** Checked beforehand; nothing else is connected to. */
  readonly addresses: readonly string[]
  /** Certificates to trust, in place of those that come with Node. */
  readonly ca: readonly string[] | undefined
  /** Ends the attempt; a connection that was made stays. */
  readonly signal: AbortSignal
}

// Time for one address before the next is tried; enough for a host at the other side of the world.
const ATTEMPT_MS = 750

/**
 * Connects to addresses that were checked, with the name in SNI and in the check of the
 * certificate. There is no second lookup that could say something else (S-20).
 */
export function createConnector(destination: Destination): buildConnector.connector {
  return ({ port, protocol }, callback) => {
    const isTls = protocol === 'https:'
    const socket = openSocket(destination, Number(port || (isTls ? 443 : 80)))
    let made: Socket = socket
    const abort = () => made.destroy(destination.signal.reason)
    const done = (error: Error | null) => {
      destination.signal.removeEventListener('abort', abort)
      socket.off('error', done)
      made.off('error', done)
      made.off('close', closed)
      if (error === null) return callback(null, made)
      made.on('error', () => {}).destroy()
      socket.destroy()
      callback(error, null)
    }
    const closed = () => done(new Error('the connection was closed before it was ready'))
    destination.signal.addEventListener('abort', abort, { once: true })
    socket.once('error', done)
    socket.once('close', closed)
    socket.once('connect', () => {
      if (!isPeer(socket, destination)) return done(new Error('connected to another address'))
      if (!isTls) return done(null)
      socket.off('close', closed)
      made = openTls(destination, socket)
      made.once('error', done)
      made.once('close', closed)
      made.once('secureConnect', () => done(null))
    })
    if (destination.signal.aborted) abort()
  }
}

function openSocket({ hostname, addresses }: Destination, port: number): Socket {
  const found = addresses.map((address) => ({ address, family: isIP(address) }))
  const lookup: LookupFunction = (_hostname, options, callback) => {
    const [first] = found
    if (options.all) callback(null, found)
    else callback(null, first?.address ?? '', first?.family)
  }
  const options: TcpNetConnectOpts & SocketConstructorOpts & { highWaterMark: number } = {
    host: hostname,
    port,
    lookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
    highWaterMark: 64 * 1024
  }
  // What fails under TLS is told by TLS; an error that nobody hears would end the process.
  const socket = netConnect(options).on('error', () => {})
  return socket.setNoDelay(true).setKeepAlive(true, 60_000)
}

function openTls({ hostname, ca }: Destination, socket: Socket): TLSSocket {
  return tlsConnect({
    socket,
    host: hostname,
    // A name only: SNI has no addresses (RFC 6066).
    ...(isIP(hostname) === 0 && { servername: hostname }),
    ...(ca !== undefined && { ca: [...ca] }),
    // Said here, so that no variable of the environment can turn it off (S-04).
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1']
  })
}

function isPeer(socket: Socket, { addresses }: Destination): boolean {
  const peer = parseAddress(socket.remoteAddress ?? '')
  if (peer === undefined) return false
  const text = plain(peer).toString()
  return addresses.some((each) => {
    const address = parseAddress(each)
    return address !== undefined && plain(address).toString() === text
  })
}
