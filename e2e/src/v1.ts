import type { Answer } from './http.ts'
import type { Stack, Who } from './stack.ts'

/** An answer of the Image API v1. */
export interface AnswerV1 {
  readonly status: number
  readonly headers: Answer['headers']
  readonly text: string
  /** `image` of the body; an empty object where there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever was answered
  readonly image: any
}

export const DATA = { 'content-type': 'application/octet-stream' }

/** Headers `x-image-meta-…` of these names; `property-…` is a property. */
export function meta(fields: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [`x-image-meta-${name}`, String(value)])
  )
}

export const RAW = { disk_format: 'raw', container_format: 'bare' }

function toV1({ status, headers, body }: Answer): AnswerV1 {
  const text = body.toString()
  const isJson = headers['content-type']?.includes('json') === true && text !== ''
  return { status, headers, text, image: isJson ? (JSON.parse(text).image ?? {}) : {} }
}

/** Writes by the Image API v1. */
export function v1Of(stack: Pick<Stack, 'call'>) {
  const send = async (
    who: Who,
    method: string,
    path: string,
    headers: object = {},
    body?: Buffer | string
  ) => {
    const more = body === undefined ? {} : { body: Buffer.from(body) }
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const options = { headers: { ...length, ...headers }, ...more }
    return toV1(await stack.call(who, method, `/v1${path}`, options))
  }
  return {
    send,
    post: (who: Who, headers: object, body?: Buffer | string) =>
      send(who, 'POST', '/images', headers, body),
    put: (who: Who, id: string, headers: object, body?: Buffer | string) =>
      send(who, 'PUT', `/images/${id}`, headers, body),
    remove: (who: Who, id: string) => send(who, 'DELETE', `/images/${id}`),
    head: (who: Who, id: string) => send(who, 'HEAD', `/images/${id}`),
    /** What a header of the image says; undefined when there is none. */
    said: async (who: Who, id: string, name: string) =>
      (await send(who, 'HEAD', `/images/${id}`)).headers[`x-image-meta-${name}`],
    list: async (who: Who, query = ''): Promise<{ id: string; status: string }[]> => {
      const answer = await send(who, 'GET', `/images/detail${query}`)
      return JSON.parse(answer.text).images
    }
  }
}
