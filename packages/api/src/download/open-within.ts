import { type ByteRange, type ImageSource, type Store, StoreError } from '@tank/store'

export interface OpenWithinOptions {
  readonly range: ByteRange | undefined
  /** Ends the call and, later, the body. */
  readonly signal: AbortSignal
  /** Longest time until the store agrees to send. */
  readonly deadlineMs: number
}

/**
 * Asks a store for bytes and does not wait for ever, whatever the store makes of its signal. Throws
 * a StoreError, UNAVAILABLE when the time is over, or the signal's reason.
 */
export async function openWithin(
  store: Pick<Store, 'get'>,
  key: string,
  { range, signal, deadlineMs }: OpenWithinOptions
): Promise<ImageSource> {
  const controller = new AbortController()
  const stop = () => controller.abort(signal.reason)
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(
    () => controller.abort(new StoreError('UNAVAILABLE', 'the store does not answer')),
    deadlineMs
  )
  const given = new Promise<never>((_resolve, reject) => {
    const fail = () => reject(controller.signal.reason)
    if (controller.signal.aborted) fail()
    else controller.signal.addEventListener('abort', fail, { once: true })
  })
  // after the answer nobody listens to it any more
  given.catch(() => {})
  const answer = store.get(key, { range, signal: controller.signal })
  try {
    return await Promise.race([answer, given])
  } catch (error) {
    signal.removeEventListener('abort', stop)
    // an answer that comes after all is not wanted
    answer.then((source) => source.body.destroy()).catch(() => {})
    throw error
  } finally {
    clearTimeout(timer)
  }
}
