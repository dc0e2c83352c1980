import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again and again until the answer is not undefined; fails after `ms` with what `what` says. */
export async function until<T>(
  what: string,
  ms: number,
  ask: () => Promise<T | undefined> | T | undefined
): Promise<T> {
  const end = Date.now() + ms
  let last: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
      last = undefined
    } catch (error) {
      last = error
    }
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`, { cause: last })
    await sleep(50)
  }
}
