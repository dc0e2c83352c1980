import type { Readable } from 'node:stream'
import type { CallOptions, StoreError } from '@tank/store'
import { answerError, isTransient } from './errors.ts'
import { login } from './login.ts'
import type { Settings } from './options.ts'
import { type Asked, askedWait, Patience } from './patience.ts'
import { type Session, Sessions } from './session.ts'
import { type HttpAnswer, type HttpRequest, Transport } from './transport.ts'

export interface Call extends CallOptions {
  readonly method: HttpRequest['method']
  /** Below the account's address, percent-encoded, such as `/container/name`. */
  readonly path: string
  readonly query?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** Makes the body, anew for each try. */
  readonly body?: (() => Readable | Buffer) | undefined
  /** The body can be made only once: the call is tried once. */
  readonly once?: boolean
  readonly answerTimeout?: number | undefined
  /** Statuses beside 2xx that are an answer and no failure. */
  readonly accept?: readonly number[]
  /** What is asked, as in "the server refuses <what>". */
  readonly what: string
}

/** Requests to the account: authenticated, tried again when that can help, failures translated. */
export class Account {
  readonly #settings: Settings
  readonly #transport: Transport
  readonly #sessions: Sessions

  constructor(settings: Settings) {
    this.#settings = settings
    this.#transport = new Transport(settings)
    this.#sessions = new Sessions(() => login(settings, this.#transport))
  }

  /** The account's address as far as it is known without asking. */
  get knownUrl(): URL | undefined {
    return this.#settings.storageUrl ?? this.#sessions.storageUrl
  }

  async url(options: CallOptions): Promise<URL> {
    return this.knownUrl ?? (await this.#sessions.current(options.signal)).storageUrl
  }

  /**
   * Resolves with an answer of 2xx or of an accepted status. Rejects with a StoreError whose cause
   * is the server's answer or the failure of the connection, or with `signal.reason`.
   */
  async call(call: Call): Promise<HttpAnswer> {
    const { signal, once = false, accept = [] } = call
    const patience = new Patience(once ? 1 : this.#settings.maxAttempts)
    let session = await this.#sessions.current(signal)
    let isRenewed = false
    for (;;) {
      let asked: Asked | undefined
      try {
        const answer = await this.#transport.send(this.#request(call, session), signal)
        const { status } = answer
        if ((status >= 200 && status < 300) || accept.includes(status)) return answer
        if (isTransient(status)) asked = askedWait(answer.header('retry-after'))
        const failure = await this.#failure(answer, call, session)
        if (status !== 401 || isRenewed) throw failure
        // The token has died before its time. It is renewed once for all who find that out.
        session = await this.#sessions.after(session, signal)
        isRenewed = true
        if (once) throw failure
      } catch (error) {
        await patience.next(error, signal, asked)
        session = await this.#sessions.current(signal)
      }
    }
  }

  /** For what is public, as `/info`: no token is shown, and every status is an answer. */
  async ask(url: URL, { signal }: CallOptions): Promise<HttpAnswer> {
    const patience = new Patience(this.#settings.maxAttempts)
    for (;;) {
      let asked: Asked | undefined
      try {
        const answer = await this.#transport.send({ method: 'GET', url, headers: {} }, signal)
        if (!isTransient(answer.status)) return answer
        asked = askedWait(answer.header('retry-after'))
        await answer.body.skip()
        throw answerError(answer.status, '', 'to tell its limits')
      } catch (error) {
        await patience.next(error, signal, asked)
      }
    }
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  #request(call: Call, { token, storageUrl }: Session): HttpRequest {
    const { method, path, query, headers, body, answerTimeout } = call
    const url = new URL(storageUrl)
    url.pathname += path
    if (query !== undefined) url.search = query
    return {
      method,
      url,
      headers: { ...headers, 'x-auth-token': token },
      body: body?.(),
      answerTimeout
    }
  }

  async #failure(answer: HttpAnswer, call: Call, { token }: Session): Promise<StoreError> {
    const text = await answer.body.text(4_096).catch(() => '')
    return answerError(answer.status, this.#redacted(text, token), call.what)
  }

  /** Some servers and proxies repeat in an error what they were sent. */
  #redacted(text: string, token: string): string {
    const { credentials, tempUrlKey } = this.#settings
    const secrets = [token, tempUrlKey, ...secretsOf(credentials)]
    const known = secrets.reduce<string>((left, secret) => {
      return secret ? left.replaceAll(secret, '***') : left
    }, text)
    return known.replace(TOKENS, '***')
  }
}

/** Tokens of Swift, of the RADOS Gateway and of Keystone, which may be those of others. */
const TOKENS = /AUTH_(rgw)?tk[\w-]+|gAAAA[\w=-]+/g

function secretsOf(credentials: Settings['credentials']): readonly string[] {
  if (credentials.version === 1) return [credentials.key]
  return [credentials.kind === 'password' ? credentials.password : credentials.secret]
}
