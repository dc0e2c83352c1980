import { guard, isStoreError, type StoreError } from '@tank/store'
import { type HttpStoreOptions, openHttpStore, type Resolve } from '../src/index.ts'

export const MESSAGE: string = 'the location cannot be read'

export async function caught(run: () => Promise<unknown>): Promise<StoreError> {
  try {
    await run()
  } catch (error) {
    if (isStoreError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** What the log would say: the causes of an error. */
export function reasons(error: unknown): string {
  return error instanceof Error ? `${error.message}; ${reasons(error.cause)}` : ''
}

/** A store for which `mirror.test` is an allowed mirror, and 127.0.0.1 is not. */
export async function openWithMirror(
  port: number,
  options: HttpStoreOptions = {},
  names: Readonly<Record<string, readonly string[]>> = {}
) {
  const resolve: Resolve = async (hostname) => {
    return hostname === 'mirror.test' ? ['127.0.0.1'] : (names[hostname] ?? [])
  }
  const lines: object[] = []
  const store = await openHttpStore(
    { allowHttp: true, ports: [port], allow: ['mirror.test'], openSeconds: 2, ...options },
    { resolve, log: { info: (fields) => void lines.push(fields) } }
  )
  return { store: guard('http', store), bare: store, lines }
}
