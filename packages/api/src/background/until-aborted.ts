/**
 * What a call answers, or the reason of the signal: a store that does not heed its signal is left
 * behind.
 */
export function untilAborted<T>(signal: AbortSignal, call: Promise<T>): Promise<T> {
  call.catch(() => {})
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    call.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
