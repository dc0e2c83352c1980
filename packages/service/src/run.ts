import { chmod, lstat, unlink } from 'node:fs/promises'
import type { IncomingMessage, Server } from 'node:http'
import { createConnection, type Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

export interface ListenOptions {
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** A Unix socket instead of host and port. */
  readonly path?: string | undefined
}

export interface RunOptions {
  readonly listen: ListenOptions
  /** Milliseconds for running requests to finish after `stop`. */
  readonly drainMs: number
  readonly log: FastifyBaseLogger
}

export interface RunningServer {
  /** `http://host:port`, `https://host:port` or `unix:/path`. */
  readonly url: string
  /** Stops accepting, lets running requests finish, then cuts what is left. */
  stop(): Promise<void>
  /** Cuts what is still running, during or instead of a patient `stop`. */
  cut(): Promise<void>
}

/** Longer paths of Unix sockets are cut by the system without a word. */
export const MAX_SOCKET_PATH = 100

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    const settle = (alive: boolean) => {
      socket.destroy()
      resolve(alive)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}

/** Removes the socket that a dead server left at a path; refuses everything else that is there. */
async function clearSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new Error(`the socket path is longer than ${MAX_SOCKET_PATH} bytes: ${path}`)
  }
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw new Error(`${path} is there and is no socket`)
  if (await isAlive(path)) throw new Error(`another process listens on ${path}`)
  await unlink(path)
}

async function listenOnPath(app: FastifyInstance, path: string): Promise<void> {
  await clearSocket(path)
  await app.ready()
  // the socket must not be open to others even for the moment before chmod
  const umask = process.umask(0o077)
  try {
    await app.listen({ path, listenTextResolver: () => 'listening' })
  } finally {
    process.umask(umask)
  }
  await chmod(path, 0o600)
}

async function listen(app: FastifyInstance, options: ListenOptions): Promise<string> {
  if (options.path !== undefined) {
    await listenOnPath(app, options.path)
    return `unix:${options.path}`
  }
  const host = options.host ?? '127.0.0.1'
  await app.listen({
    host,
    port: options.port ?? 0,
    backlog: 1024,
    listenTextResolver: () => 'listening'
  })
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  const scheme = app.server instanceof TlsServer ? 'https' : 'http'
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The same for the socket of a connection and for the one that TLS puts around it. */
function connectionOf(socket: Socket): unknown {
  const { remoteAddress, remotePort } = socket
  return remotePort === undefined ? socket : `${remoteAddress} ${remotePort}`
}

/** Connections that have not sent a request yet: Node does not count them as idle. */
function trackSilent(server: Server): ReadonlyMap<unknown, Socket> {
  const silent = new Map<unknown, Socket>()
  const add = (socket: Socket) => {
    const connection = connectionOf(socket)
    silent.set(connection, socket)
    socket.once('close', () => {
      if (silent.get(connection) === socket) silent.delete(connection)
    })
  }
  server.on('connection', add)
  server.on('secureConnection', add)
  server.prependListener('request', (request: IncomingMessage) => {
    silent.delete(connectionOf(request.socket))
  })
  return silent
}

async function drain(
  app: FastifyInstance,
  silent: ReadonlyMap<unknown, Socket>,
  { drainMs, log }: RunOptions
): Promise<void> {
  const { server } = app
  for (const socket of silent.values()) socket.destroy()
  // answers that finish from now on leave idle connections, which nobody else would close
  const reaper = setInterval(() => server.closeIdleConnections(), 50)
  const deadline = setTimeout(() => {
    log.warn({ drainMs }, 'requests were still running at the end of the drain time; cutting them')
    server.closeAllConnections()
  }, drainMs)
  try {
    await app.close()
  } finally {
    clearInterval(reaper)
    clearTimeout(deadline)
  }
}

/** Listens, and knows how to stop without cutting what is running. */
export async function runServer(app: FastifyInstance, options: RunOptions): Promise<RunningServer> {
  const silent = trackSilent(app.server)
  const url = await listen(app, options.listen)
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= drain(app, silent, options)
    return stopping
  }
  return {
    url,
    stop,
    cut: async () => {
      const stopped = stop()
      app.server.closeAllConnections()
      await stopped
    }
  }
}
