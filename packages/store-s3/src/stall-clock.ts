import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

export interface TimeLimits {
  /** For a connection. */
  readonly connectMs: number
  /** From the last byte of the request to the first of the answer. */
  readonly answerMs: number
  /** For a byte, either way, while there are some to come. */
  readonly stallMs: number
}

/** Calls `fail` when the server lets us wait for too long; waits for us do not count. */
export function watchRequest(
  request: ClientRequest,
  { connectMs, answerMs, stallMs }: TimeLimits,
  fail: (error: Error) => void
): void {
  const clock = new StallClock(request, fail)
  const connecting = setTimeout(() => fail(late('connection', connectMs)), connectMs)
  request.once('socket', (socket) => {
    const onConnected = () => {
      clearTimeout(connecting)
      clock.start(socket)
      clock.allow(request.writableFinished ? answerMs : stallMs)
    }
    if (!socket.connecting) onConnected()
    else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', onConnected)
  })
  request.once('finish', () => clock.allow(answerMs))
  request.once('response', (answer) => {
    clock.answer = answer
    clock.allow(stallMs)
  })
  // Comes before the socket is handed on to another request.
  request.once('close', () => {
    clearTimeout(connecting)
    clock.stop()
  })
}

/** Runs while nothing moves on a socket. */
class StallClock {
  answer: IncomingMessage | undefined
  readonly #request: ClientRequest
  readonly #fail: (error: Error) => void
  #socket: Socket | undefined
  #span = 0
  /** Bytes that had come when half of the time was over. */
  #half: number | undefined

  constructor(request: ClientRequest, fail: (error: Error) => void) {
    this.#request = request
    this.#fail = fail
  }

  start(socket: Socket): void {
    this.#socket = socket.on('timeout', this.#onTimeout)
  }

  /** From now on something has to move within so many milliseconds. */
  allow(ms: number): void {
    this.#span = ms
    this.#half = undefined
    this.#socket?.setTimeout(ms / 2)
  }

  stop(): void {
    this.#socket?.off('timeout', this.#onTimeout).setTimeout(0)
  }

  // Twice half of the time: it may be our reader, or our own process, that has just woken up.
  readonly #onTimeout = () => {
    const came = this.#socket?.bytesRead
    if (this.answer !== undefined && !isWaiting(this.answer)) this.allow(this.#span)
    else if (this.#half !== came) {
      this.#half = came
      this.#socket?.setTimeout(this.#span / 2)
    } else {
      const isSent = this.answer === undefined && this.#request.writableFinished
      this.#fail(late(isSent ? 'answer' : 'progress', this.#span))
    }
  }
}

/** Whether the reader of an answer waits for bytes, and not the other way round. */
function isWaiting(answer: IncomingMessage): boolean {
  return answer.readableFlowing === true && answer.readableLength === 0
}

function late(what: string, ms: number): Error {
  const error = new Error(`no ${what} for ${ms / 1000} seconds`)
  return Object.assign(error, { name: 'TimeoutError', code: 'TimeoutError' })
}
