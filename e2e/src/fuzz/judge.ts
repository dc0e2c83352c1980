import http from 'node:http'
import { type ApiDocument, createDocumentCheck } from '../api-document.ts'
import type { Answer } from '../http.ts'
import { ADMIN, identityHeaders, P1, P2, type Stack } from '../stack.ts'
import type { FuzzRequest } from './requests.ts'

/** Time for one request: far more than any takes. */
const DEADLINE_MS = 15_000

/** What no answer shows: stacks, files, statements, addresses of what is behind. */
const INTERNALS = [
  ...[/\n\s+at /, /node_modules|node:internal/, /\.[cm]?[jt]s:\d/, /\/packages\/|\/dist\//],
  ...[/\b(?:SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b/, /violates|relation "|syntax error/],
  ...[/postgres(?:ql)?:\/\//, /\.sock\b/, /E(?:CONN|NOENT|ACCES|INVAL)/, /TypeError|RangeError/]
]

function send(
  agent: http.Agent,
  { hostname, port }: URL,
  { who, method, headers, body }: FuzzRequest,
  target: string
): Promise<Answer> {
  const all = { ...(who === null ? {} : identityHeaders(who)), ...headers }
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    const options = { hostname, port, method, path: target, agent, signal }
    const call = http.request({ ...options, headers: { ...all, ...length } })
    call.on('error', reject)
    call.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const status = response.statusCode ?? 0
        resolve({ status, headers: response.headers, body: Buffer.concat(chunks) })
      })
    })
    call.end(body)
  })
}

const isV1 = (target: string) => /^\/v1(?:\.[01])?(?:[/?]|$)/.test(target)

/** Errors are of the form that clients of the scope read, unless they prefer another one. */
function errorFault({ headers: asked }: FuzzRequest, target: string, answer: Answer) {
  const type = String(answer.headers['content-type']).split(';', 1)[0] ?? ''
  if (type === 'text/html' && answer.body.includes('<script')) return 'a script'
  if (type === 'text/html' || type === 'text/plain') {
    const isWanted = type === 'text/plain' && isV1(target)
    return isWanted || /text|html/.test(asked.accept ?? '') ? undefined : `an error as ${type}`
  }
  const body = JSON.parse(answer.body.toString())
  if (type === 'application/problem+json') {
    const isOurs = !/^\/v2(?:\.\d+)?\//.test(target) && body.status === answer.status
    return isOurs ? undefined : 'a problem document'
  }
  const { code, title, message } = body.error ?? (isV1(target) ? body : {})
  const isRight = code === answer.status && typeof title === 'string' && typeof message === 'string'
  return isRight ? undefined : `an error of another form: ${answer.body}`
}

function faultOf(request: FuzzRequest, target: string, answer: Answer, root: string) {
  const { status, body } = answer
  if (status >= 500 && !(status === 501 && !/^(GET|HEAD|PUT|POST|PATCH)$/.test(request.method))) {
    return `status ${status}: ${body}`
  }
  if (status < 400) return undefined
  const shown = `${JSON.stringify(answer.headers)}\n${body}`
  const leak = [...INTERNALS, new RegExp(root)].find((each) => each.test(shown))
  if (leak !== undefined) return `it shows ${leak}: ${body}`
  return request.method === 'HEAD' ? undefined : errorFault(request, target, answer)
}

const shortened = (text: string) => (text.length > 600 ? `${text.slice(0, 600)}…` : text)

/** Sends requests to a stack and throws at the first answer that no request may get. */
export class FuzzJudge {
  readonly #stack: Stack
  readonly #check: ReturnType<typeof createDocumentCheck>
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  readonly #images: string[] = []
  #made = 0
  readonly statuses = new Map<string, number>()

  constructor(stack: Stack, document: ApiDocument) {
    this.#stack = stack
    this.#check = createDocumentCheck(async () => document)
  }

  /** Images that requests are about: the newest forty. */
  #addImage(id: string): void {
    this.#images[this.#made++ % 40] = id
  }

  /**
   * Makes one more image, of either project, of each visibility, with data or without, and the
   * namespace of definitions that has the project's name, unless it is there.
   */
  async makeSubjects(): Promise<void> {
    const turn = this.#made
    const who = turn % 3 === 0 ? P2 : P1
    const visibility = ['private', 'shared', 'community', 'shared'][turn % 4]
    const { id } = await this.#stack.create(who, { visibility })
    if (turn % 2 === 0) await this.#stack.upload(who, id, 'some data')
    this.#addImage(id)
    const namespace = { namespace: who.project, owner: who.project, visibility: 'public' }
    await this.#stack.json(ADMIN, 'POST', '/v2/metadefs/namespaces', namespace)
  }

  async judge(request: FuzzRequest): Promise<void> {
    const target = request.target.replace(
      /\{image:(\d+)\}/g,
      (_, n) => this.#images[Number(n) % this.#images.length] ?? ''
    )
    const answer = await send(this.#agent, new URL(this.#stack.url), request, target).catch(
      (cause: unknown) => {
        throw new Error(`no answer to ${this.#describe(request, target)}`, { cause })
      }
    )
    const key = `${request.method} ${answer.status}`
    this.statuses.set(key, (this.statuses.get(key) ?? 0) + 1)
    const fault = faultOf(request, target, answer, this.#stack.root)
    if (fault !== undefined) {
      throw new Error(`${shortened(fault)}\nto ${this.#describe(request, target)}`)
    }
    await this.#check(request.method, target, answer)
    if (answer.status === 201 && /^\/v2\/images(?:\?|$)/.test(target)) {
      this.#addImage(JSON.parse(answer.body.toString()).id)
    }
    if (answer.status === 201 && /^\/v1\/images(?:\?|$)/.test(target)) {
      this.#addImage(JSON.parse(answer.body.toString()).image.id)
    }
    const isGone = request.method === 'DELETE' && answer.status === 200
    if ((answer.status === 204 && request.method !== 'GET') || isGone) await this.makeSubjects()
  }

  /** Whether the service does its usual work still. */
  async isWell(): Promise<boolean> {
    const [ready, list] = await Promise.all([
      this.#stack.call(null, 'GET', '/readyz'),
      this.#stack.call(P1, 'GET', '/v2/images?limit=2')
    ])
    return ready.status === 200 && list.status === 200
  }

  close(): void {
    this.#agent.destroy()
  }

  #describe({ who, method, headers, body }: FuzzRequest, target: string): string {
    const text = body === undefined ? '' : JSON.stringify(body.toString())
    const lines = [`${method} ${target}`, JSON.stringify({ who, ...headers }), text]
    return lines.map(shortened).join('\n')
  }
}
