/** Something that was started and knows how to end. */
export interface Part {
  stop(): Promise<void>
  /** Ends at once. */
  cut?(): Promise<void>
}

export interface LifeOptions {
  /** The first signal arrived. */
  readonly onStop: () => void
  /** Another one: what still runs is cut. */
  readonly onHurry: () => void
}

class Interrupted extends Error {}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Starts things in order, waits for SIGINT, SIGTERM or SIGHUP, then ends them in the opposite
 * order; a second signal hurries. Also what was started before a failure is ended.
 */
export async function liveUntilSignal(
  start: (add: (part: Part) => void) => Promise<void>,
  options: LifeOptions
): Promise<void> {
  const parts: Part[] = []
  let signals = 0
  let current: Part | undefined
  let wake = () => {}
  const signalled = new Promise<void>((resolve) => {
    wake = resolve
  })
  const onSignal = () => {
    signals++
    wake()
    if (signals === 1) options.onStop()
    else if (signals === 2) {
      options.onHurry()
      void current?.cut?.().catch(() => {})
    }
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  try {
    try {
      await start((part) => {
        parts.push(part)
        if (signals > 0) throw new Interrupted()
      })
      await signalled
    } finally {
      for (current = parts.pop(); current !== undefined; current = parts.pop()) {
        await (signals > 1 && current.cut ? current.cut() : current.stop())
      }
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal)
  }
}
