import type { FastifyReply } from 'fastify'

const signals = new WeakMap<object, AbortSignal>()

/**
 * A signal that aborts when the client goes away before its answer is complete. `request.signal`
 * is no substitute: it aborts as soon as the body of an upload has been read.
 */
export function disconnectSignal(reply: FastifyReply): AbortSignal {
  const { raw } = reply
  const known = signals.get(raw)
  if (known !== undefined) return known
  const controller = new AbortController()
  const abort = () => controller.abort(new Error('the client closed the connection'))
  if (raw.destroyed && !raw.writableFinished) abort()
  else {
    raw.once('close', () => {
      if (!raw.writableFinished) abort()
    })
  }
  signals.set(raw, controller.signal)
  return controller.signal
}
