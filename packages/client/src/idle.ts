import { TankClientError } from './errors.ts'

/** Aborts when nothing has moved for a while, or when the caller's signal does. */
export interface IdleWatch {
  readonly signal: AbortSignal
  /** Something moved. */
  touch(): void
  /** From now on something has to move within another span of time. */
  expect(idleMs: number): void
  stop(): void
}

/** Starts to watch at once; `stop` must be called in the end, and what moves later does not count. */
export function startIdleWatch(idleMs: number, signal: AbortSignal | undefined): IdleWatch {
  const controller = new AbortController()
  const expire = (ms: number) => {
    controller.abort(new TankClientError('TIMEOUT', `nothing has moved for ${ms} ms`))
  }
  const follow = () => controller.abort(signal?.reason)
  let timer = setTimeout(expire, idleMs, idleMs)
  let isStopped = false
  if (signal?.aborted) follow()
  signal?.addEventListener('abort', follow, { once: true })
  return {
    signal: controller.signal,
    touch: () => {
      if (!isStopped) timer.refresh()
    },
    expect(ms) {
      if (isStopped) return
      clearTimeout(timer)
      timer = setTimeout(expire, ms, ms)
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', follow)
    }
  }
}
