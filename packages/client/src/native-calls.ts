import { once } from 'node:events'
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { rootCertificates } from 'node:tls'
import {
  type Answer,
  type CallRequest,
  CONNECT_TIMEOUT_MS,
  CONNECTIONS,
  LARGEST_ANSWER,
  type Target,
  TransportError,
  type TransportOptions,
  toTransportError
} from './transport.ts'

/** Small calls by the HTTP client that is part of Node. */
export interface NativeCalls {
  call(request: CallRequest): Promise<Answer>
  /** Lets running calls end, then closes the sockets; nobody calls any more. */
  close(): Promise<void>
}

/**
 * Opens them for programs that make a few calls and end: undici's parser is WebAssembly, which has to
 * be compiled first, and that takes more time than the calls do.
 */
export function openNativeCalls(target: Target, options: TransportOptions): NativeCalls {
  const isSecure = target.origin.startsWith('https:')
  const maxSockets = options.connections ?? CONNECTIONS
  const agent = new (isSecure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets })
  const fixed = {
    agent,
    // said aloud, as Node would otherwise let a variable of the environment decide (S-04)
    rejectUnauthorized: options.insecure !== true,
    ...(target.socketPath !== undefined && { socketPath: target.socketPath }),
    ...(options.maxHeaderSize !== undefined && { maxHeaderSize: options.maxHeaderSize }),
    ...(options.ca !== undefined && { ca: [...rootCertificates, options.ca] }),
    ...(options.cert !== undefined && { cert: options.cert }),
    ...(options.key !== undefined && { key: options.key })
  }
  const start = ({ method, path, headers }: CallRequest): ClientRequest => {
    const send = isSecure ? httpsRequest : httpRequest
    const sending = send(target.origin, { ...fixed, method, path: target.prefix + path })
    try {
      // names and values in turn
      headers.forEach((value, at) => {
        if (at % 2 === 1) sending.appendHeader(headers[at - 1] ?? '', value)
      })
      return sending
    } catch (error) {
      sending.on('error', () => {}).destroy()
      throw error
    }
  }
  const watched = {
    url: options.url,
    ready: isSecure ? 'secureConnect' : 'connect',
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
  }
  const running = new Set<Promise<Answer>>()
  return {
    async call(request) {
      request.signal?.throwIfAborted()
      let sending: ClientRequest
      try {
        sending = start(request)
      } catch (cause) {
        const text = cause instanceof Error ? cause.message : 'invalid request'
        throw new TransportError('invalid', text, false, { cause })
      }
      const call = exchange(sending, request, watched)
      running.add(call)
      try {
        return await call
      } finally {
        running.delete(call)
      }
    },
    async close() {
      // each of them has a time in which it ends
      await Promise.allSettled(running)
      agent.destroy()
    }
  }
}

interface Watched {
  readonly url: string
  /** The event of a socket that can be written to. */
  readonly ready: string
  readonly connectTimeoutMs: number
}

async function exchange(
  sending: ClientRequest,
  { body, signal, timeoutMs }: CallRequest,
  { url, ready, connectTimeoutMs }: Watched
): Promise<Answer> {
  let sent = false
  let received: IncomingMessage | undefined
  let failure: Error | undefined
  // a request that waits for a socket says nothing of its end before it has one
  let giveUp = (_error: Error) => {}
  const stopped = new Promise<never>((_resolve, reject) => {
    giveUp = reject
  })
  const stop = (error: Error) => {
    failure ??= error
    received?.destroy(error)
    sending.destroy(error)
    giveUp(failure)
  }
  const late = () =>
    stop(new TransportError('timeout', `${url} did not answer within ${timeoutMs} ms`, sent))
  const unconnected = () =>
    stop(new TransportError('unreachable', `${url} cannot be reached: no connection`, false))
  const onAbort = () => stop(new Error('the call was aborted'))
  const timer = setTimeout(late, timeoutMs)
  let connectTimer: NodeJS.Timeout | undefined
  const onReady = () => {
    sent = true
    clearTimeout(connectTimer)
  }
  sending.once('socket', (socket) => {
    // who waits for others' sockets says nothing about the server
    if (!socket.connecting) return onReady()
    socket.once(ready, onReady)
    if (failure === undefined) connectTimer = setTimeout(unconnected, connectTimeoutMs)
  })
  // told by `once`, as long as that listens
  sending.on('error', () => {})
  signal?.addEventListener('abort', onAbort, { once: true })
  const receive = async (): Promise<Answer> => {
    sending.end(body)
    const [answer]: IncomingMessage[] = await once(sending, 'response')
    if (answer === undefined) throw new Error('no answer')
    received = answer
    const { statusCode = 0, headers } = answer
    return { status: statusCode, headers, body: await collect(answer) }
  }
  try {
    return await Promise.race([receive(), stopped])
  } catch (error) {
    signal?.throwIfAborted()
    throw toTransportError(url, failure ?? error, sent)
  } finally {
    clearTimeout(timer)
    clearTimeout(connectTimer)
    signal?.removeEventListener('abort', onAbort)
  }
}

async function collect(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of answer) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > LARGEST_ANSWER) throw new Error('the answer is too large')
  }
  return Buffer.concat(chunks)
}
