import { createHash } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export interface RequestOptions {
  readonly method?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Buffer | Readable
  readonly signal?: AbortSignal
  /** For https: the authority that is trusted, PEM. */
  readonly ca?: string | undefined
}

/**
 * One request on a connection of its own, as little helped as possible: no retries, no redirects.
 * An answer that comes before the body was sent counts, whatever then happens to the connection.
 */
export function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, signal, ca } = options
  const { request: send } = url.startsWith('https:') ? https : http
  return new Promise((resolve, reject) => {
    const call = send(url, { method, headers, agent: false, signal, ca })
    let isAnswered = false
    call.on('response', (response) => {
      isAnswered = true
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks)
        })
        if (!call.writableFinished) call.destroy()
      })
    })
    call.on('error', (error) => {
      if (!isAnswered) reject(error)
    })
    if (body instanceof Readable) {
      pipeline(body, call).catch((error: unknown) => {
        if (!isAnswered) reject(error)
      })
    } else call.end(body)
  })
}

export interface Download {
  readonly status: number
  readonly size: number
  readonly sha256: string
  readonly isComplete: boolean
}

/** Reads a body to its end and keeps only its digest. */
export function download(url: string, headers: http.OutgoingHttpHeaders = {}): Promise<Download> {
  return new Promise((resolve, reject) => {
    const call = http.request(url, { headers, agent: false })
    call.on('error', reject)
    call.on('response', (response) => {
      const hash = createHash('sha256')
      let size = 0
      response.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        size += chunk.length
      })
      response.on('error', () => {})
      response.on('close', () => {
        resolve({
          status: response.statusCode ?? 0,
          size,
          sha256: hash.digest('hex'),
          isComplete: response.complete
        })
      })
    })
    call.end()
  })
}
