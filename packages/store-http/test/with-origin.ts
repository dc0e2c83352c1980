import type { RequestListener, ServerResponse } from 'node:http'
import { isStoreError } from '@tank/store'
import type { Test } from 'tap'
import { type HttpStoreOptions, openHttpStore } from '../src/index.ts'
import { openOrigin } from './origin.ts'

export const bytes: Buffer = Buffer.from('0123456789'.repeat(100))
export const images: ReadonlyMap<string, Buffer> = new Map([['/a.img', bytes]])

/** A web server, a store that may read from it, and the location of an image there. */
export async function openWith(t: Test, answer: RequestListener, options: HttpStoreOptions = {}) {
  const origin = await openOrigin(t, answer)
  const store = await openHttpStore({
    allowHttp: true,
    ports: [origin.port],
    allow: ['127.0.0.1'],
    openSeconds: 2,
    ...options
  })
  t.teardown(() => store.close())
  return { store, origin, key: `http://127.0.0.1:${origin.port}/a.img` }
}

/** The code of a failure, and why. */
export async function failure(run: () => Promise<unknown>): Promise<string> {
  try {
    await run()
  } catch (error) {
    if (!isStoreError(error)) throw error
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : ''
    return `${error.code}${why}`
  }
  throw new Error('it did not fail')
}

/** Writes like this until the reader has gone. */
export function drip(response: ServerResponse, chunk: Buffer, everyMs: number): void {
  const timer = setInterval(() => response.write(chunk), everyMs)
  response.on('close', () => clearInterval(timer))
}
