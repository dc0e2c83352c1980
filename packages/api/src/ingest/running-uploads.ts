import type { TankError } from '@tank/model'

/** The uploads that this process is taking in, so that a deletion or a shutdown ends them at once. */
export interface RunningUploads {
  /** Notes an upload of an image; the answer's `end` has to be called when it is over. */
  begin(imageId: string): { readonly signal: AbortSignal; end(): void }
  abort(imageId: string, reason: TankError): void
  abortAll(reason: TankError): void
  /** Resolves when no upload is left, aborted ones with everything that their end takes. */
  idle(): Promise<void>
}

export function createRunningUploads(): RunningUploads {
  const running = new Map<string, Set<AbortController>>()
  const waiting = new Set<() => void>()
  return {
    begin(imageId) {
      const key = imageId.toLowerCase()
      const controller = new AbortController()
      const set = running.get(key) ?? new Set()
      running.set(key, set.add(controller))
      return {
        signal: controller.signal,
        end() {
          set.delete(controller)
          if (set.size === 0 && running.get(key) === set) running.delete(key)
          if (running.size > 0) return
          for (const resolve of waiting) resolve()
          waiting.clear()
        }
      }
    },
    abort(imageId, reason) {
      for (const controller of running.get(imageId.toLowerCase()) ?? []) controller.abort(reason)
    },
    abortAll(reason) {
      for (const set of running.values()) for (const controller of set) controller.abort(reason)
    },
    idle() {
      if (running.size === 0) return Promise.resolve()
      return new Promise((resolve) => waiting.add(resolve))
    }
  }
}
