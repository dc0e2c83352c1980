import type { TransferProgress } from '@tank/client'
import { bytesText } from '../admin/sizes.ts'
import type { OutputStream } from '../command-line.ts'
import { printable } from './printable.ts'

/** Tells people how far a transfer is. */
export interface Progress {
  update(progress: TransferProgress): void
  /** Takes the bar away. */
  clear(): void
  /** Takes the bar away, and says what was moved, if anything. */
  finish(): void
}

interface ProgressOptions {
  readonly stream: OutputStream
  /** What is moved where: `debian to http://…`. */
  readonly title: string
  readonly quiet?: boolean
  /** Milliseconds that only grow. */
  readonly now?: () => number
}

const REDRAW_MS = 100
const LINE_MS = 10_000
const BAR = 20
const USUAL_WIDTH = 80
/** Span of time that the rate is an average of. */
const RATE_MS = 5_000

/** `1:05`, `2:00:00`; `-:--` while nobody knows. */
function clock(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds > 359_999) return '-:--'
  const whole = Math.ceil(seconds)
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)]
  const tail = String(whole % 60).padStart(2, '0')
  return hours === 0 ? `${minutes}:${tail}` : `${hours}:${String(minutes).padStart(2, '0')}:${tail}`
}

const rateText = (bytes: number, ms: number) => `${bytesText((bytes * 1000) / Math.max(ms, 1))}/s`

/** The average of the last seconds. */
class Rate {
  #points: { at: number; bytes: number }[] = []

  add(at: number, bytes: number): void {
    this.#points.push({ at, bytes })
    while ((this.#points[1]?.at ?? at) < at - RATE_MS) this.#points.shift()
  }

  /** Bytes in a second. */
  get value(): number {
    const [first, last] = [this.#points[0], this.#points.at(-1)]
    if (first === undefined || last === undefined || last.at === first.at) return 0
    return ((last.bytes - first.bytes) * 1000) / (last.at - first.at)
  }
}

function factsOf(bytes: number, total: number | undefined, rate: number): string {
  const speed = `${bytesText(rate)}/s`
  if (total === undefined || total === 0) return `${bytesText(bytes)}  ${speed}`
  const percent = `${Math.floor((bytes / total) * 100)}%`.padStart(4)
  const eta = rate === 0 ? Number.NaN : (total - bytes) / rate
  return `${percent}  ${bytesText(bytes)} of ${bytesText(total)}  ${speed}  ${clock(eta)} left`
}

function barOf(bytes: number, total: number | undefined): string {
  if (total === undefined || total === 0) return ''
  const filled = Math.min(BAR, Math.floor((bytes / total) * BAR))
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}] `
}

/** A bar with rate and remaining time on a terminal; elsewhere a line every ten seconds. */
export function createProgress(options: ProgressOptions): Progress {
  const { stream, quiet = false, now = () => performance.now() } = options
  const title = printable(options.title)
  const isTerminal = stream.isTTY === true
  const began = now()
  let shown = isTerminal ? Number.NEGATIVE_INFINITY : began
  let moved = 0
  const rate = new Rate()
  rate.add(began, 0)
  const clear = () => void (isTerminal && !quiet && stream.write('\r\u001b[K'))
  return {
    update({ bytes, total, resumed = 0 }) {
      moved = bytes - resumed
      const at = now()
      if (quiet || at - shown < (isTerminal ? REDRAW_MS : LINE_MS)) return
      shown = at
      rate.add(at, moved)
      const facts = factsOf(bytes, total, rate.value)
      const width = (stream.columns ?? USUAL_WIDTH) - 1
      const line = isTerminal
        ? `\r${`${title} ${barOf(bytes, total)}${facts}`.slice(0, width)}\u001b[K`
        : `${title}: ${facts.trim()}\n`
      stream.write(line)
    },
    clear,
    finish() {
      clear()
      if (quiet || moved === 0) return
      const ms = now() - began
      const took = `${bytesText(moved)} in ${clock(ms / 1000)} (${rateText(moved, ms)})`
      stream.write(`${title}: ${took}\n`)
    }
  }
}
