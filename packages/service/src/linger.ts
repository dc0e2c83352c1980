import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

const LINGER_MS = 5000
const DRAIN_MS = 30_000
const armed = new WeakSet<Socket>()

/**
 * Node closes a finished connection at once; when the client is still sending, the system then
 * resets it and the client may lose the answer. Half-closing first lets it read the answer.
 */
function closeGently(socket: Socket): void {
  if (armed.has(socket)) return
  armed.add(socket)
  socket.destroySoon = () => {
    if (socket.destroyed) return
    socket.end()
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('end', () => socket.destroy())
    socket.once('close', () => clearTimeout(timer))
  }
}

/** Lets clients that are answered before their body is complete read the answer. */
export function installLinger(app: FastifyInstance): void {
  app.addHook('onSend', async (request, _reply, payload) => {
    if (request.raw.complete === false) closeGently(request.raw.socket)
    return payload
  })
  app.addHook('onResponse', async (request) => {
    const { raw } = request
    // `inject` knows no such thing
    if (raw.complete !== false) return
    // the rest of the body is dropped by Node, but not for ever
    const timer = setTimeout(() => raw.socket.destroy(), DRAIN_MS).unref()
    raw.once('close', () => clearTimeout(timer))
  })
}
